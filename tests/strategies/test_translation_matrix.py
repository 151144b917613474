"""Every ordered pair of models, every shape of request the first takes: none is refused by the second."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations, product

import pytest

from semcache.request import Request
from semcache.strategies.translation import Translation, translated
from semcache.strategies.translation_passage import forces_a_tool, is_prefilled
from semcache.upstream.simulator import Simulator
from semcache.upstream.simulator.acceptance import effort_of, thinking_plan
from semcache.upstream.upstream import UpstreamRequest

TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("lookup", "book")]
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}
TODAY = date(2026, 11, 23)
MOST_STAY = 0.2  # of the requests that neither force a tool nor begin the answer
OLD, NEW = "2023-06-01", "2026-10-21"

THINKING = (
    {},
    {"thinking": {"type": "adaptive"}},
    {"thinking": {"type": "adaptive", "display": "summarized"}},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    {"thinking": {"type": "enabled", "budget_tokens": 60_000, "display": "omitted"}},
    {"thinking": {"type": "disabled"}},
    {"thinking": {"type": "between_tools"}},
)
EFFORTS = (None, "low", "medium", "high", "xhigh", "max")
CHOICES = (
    {},
    {"tools": TOOLS},
    {"tools": TOOLS, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    {"tools": TOOLS, "tool_choice": {"type": "any"}},
    {"tools": TOOLS, "tool_choice": {"type": "tool", "name": "book"}},
    {"tools": TOOLS, "tool_choice": {"type": "none"}},
)
PREFILLS = ((), ({"role": "assistant", "content": "{"},))
SAMPLING = (
    {},
    {"temperature": 0.2},
    {"top_p": 0.5},
    {"temperature": 0, "top_p": 0.9},
    {"temperature": 1, "top_p": 1},
    {"temperature": 1, "top_p": 0.9},
    {"top_k": 5},
)
SPEEDS = ({}, {"speed": "fast"})
FORMATS = (None, FORMAT)
LIMITS = (1_000, 5_000, 64_000, 128_000)

QUESTION = {"role": "user", "content": "Which platform does the night train leave from?"}


def asked(*, prefill=(), effort=None, format=None, version=OLD, **fields):
    config = {name: value for name, value in {"effort": effort, "format": format}.items() if value is not None}
    body = {"messages": [QUESTION, *prefill], **fields, **({"output_config": config} if config else {})}
    return Request(body, headers=(("anthropic-version", version),))


def crossed(**axes):
    """Every combination of these parts; parts that are not named stay out of the request."""
    plain = {"thinking": {}, "effort": None, "choice": {}, "prefill": (), "sampling": {}, "speed": {}, "format": None}
    axes = {name: (value,) for name, value in (plain | {"limit": 64_000, "version": OLD}).items()} | axes
    for values in product(*axes.values()):
        part = dict(zip(axes, values, strict=True))
        fields = {**part["thinking"], **part["choice"], **part["sampling"], **part["speed"]}
        named = {name: part[name] for name in ("effort", "format", "prefill", "version")}
        yield asked(**fields, **named, max_tokens=part["limit"])


def shapes_in_short():
    """What bears on each other is crossed: each group of parts in every combination."""
    yield from crossed(thinking=THINKING, effort=EFFORTS, choice=CHOICES)
    yield from crossed(thinking=THINKING, effort=EFFORTS, limit=LIMITS, format=FORMATS)
    yield from crossed(thinking=THINKING, sampling=SAMPLING, prefill=PREFILLS)
    yield from crossed(thinking=THINKING, speed=SPEEDS, format=FORMATS, effort=EFFORTS, version=(NEW,))
    yield from crossed(choice=CHOICES, prefill=PREFILLS, sampling=SAMPLING, format=FORMATS)


def all_shapes():
    """Every combination of all parts, in both editions of the API."""
    parts = {"thinking": THINKING, "effort": EFFORTS, "choice": CHOICES, "prefill": PREFILLS, "speed": SPEEDS}
    yield from crossed(**parts, format=FORMATS, sampling=SAMPLING, limit=(64_000,))
    yield from crossed(**parts, format=FORMATS, version=(NEW,))


def named(request, model):
    return replace(request, body={**request.body, "model": model.id})


def answering(book):
    return [model for model in book.models if model.answers_on(TODAY)]


def journeys(source, book, refusal, shapes):
    """Every request that the source takes, with every other model, and what becomes of it there."""
    taken = [request for shape in shapes if refusal(request := named(shape, source)) is None]
    for target in answering(book):
        for request in taken if target is not source else []:
            yield request, target, translated(request, source=source, target=target, on=TODAY)


def form(body):
    """What decides the form of the answer; a translation leaves it alone."""
    free = ("model", "max_tokens", "thinking", "output_config", "temperature", "top_p", "top_k", "speed")
    kept = {name: value for name, value in body.items() if name not in free}
    return kept, body.get("output_config", {}).get("format")


def costs_more(body, source, translation, target):
    """Whether more is spent than was asked for: effort, speed, length, or thinking where it was switched off."""
    before, after = effort_of(body, source), effort_of(translation, target)
    levels = EFFORTS[1:]
    return (
        (before is not None and after is not None and levels.index(after) > levels.index(before))
        or (translation.get("speed") == "fast" != body.get("speed"))
        or translation["max_tokens"] > body["max_tokens"]
        or (body.get("thinking") == {"type": "disabled"} and thinking_plan(translation, target).is_on)
    )


MODELS = [
    pytest.param(model, id=model)
    for model in (
        "claude-fable-5-2", "claude-mythos-5-2", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5",
        "claude-fable-5-1", "claude-mythos-5-1", "claude-opus-5", "claude-sonnet-5", "claude-fable-5",
        "claude-mythos-5", "claude-opus-4-8", "claude-opus-4-7", "claude-sonnet-4-6", "claude-opus-4-6",
        "claude-opus-4-5-20251101", "claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929",
    )
]  # fmt: skip


def check_arrivals(source, book, refusal, shapes):
    """None is refused on arrival, changed in form or made dearer; and enough of them do arrive."""
    arrived, stayed = Counter({target.id: 0 for target in answering(book) if target is not source}), 0
    for request, target, outcome in journeys(source, book, refusal, shapes):
        if isinstance(outcome, Translation):
            body = outcome.request.body
            problem = refusal(outcome.request)
            assert problem is None, (source.id, request.body, body, problem)
            assert form(body) == form(request.body)
            assert not costs_more(request.body, source, body, target), (source.id, request.body, body)
            arrived[target.id] += 1
        else:
            stayed += not wants_a_form(request)
    assert min(arrived.values()) >= 60, arrived
    assert stayed <= MOST_STAY * (arrived.total() + stayed), (arrived, stayed)


def wants_a_form(request):
    return is_prefilled(request) or forces_a_tool(request.body)


def test_the_matrix_names_every_model_that_answers(book):
    assert [model.id for model in answering(book)] == [param.values[0] for param in MODELS]


@pytest.mark.parametrize("source", MODELS)
def test_no_request_is_refused_because_of_its_translation(book, refusal, source):
    check_arrivals(book.model(source), book, refusal, shapes_in_short())


@pytest.mark.slow
@pytest.mark.parametrize("source", MODELS)
def test_no_combination_of_shapes_is_refused_because_of_its_translation(book, refusal, source):
    check_arrivals(book.model(source), book, refusal, all_shapes())


@pytest.mark.parametrize("source", MODELS)
def test_what_asks_for_no_form_of_its_own_always_arrives(book, refusal, source):
    """Tools that may be used, structured output, effort, sampling and speed keep nothing on its model."""
    shapes = [
        *crossed(choice=CHOICES[:3], effort=EFFORTS, format=FORMATS),
        *crossed(choice=CHOICES[:3], sampling=SAMPLING, speed=SPEEDS),
    ]
    outcomes = [outcome for *_, outcome in journeys(book.model(source), book, refusal, shapes)]
    assert len(outcomes) >= 10 * len(MODELS)
    assert {type(outcome) for outcome in outcomes} == {Translation}


@pytest.mark.parametrize("source", MODELS)
def test_only_form_and_thinking_keep_a_request_on_its_model(book, refusal, source):
    reasons = ("forced", "prefilled", "nothing that equals thinking", "no room")
    shapes = crossed(thinking=THINKING, choice=CHOICES, prefill=PREFILLS, limit=LIMITS[:2])
    for *_, outcome in journeys(book.model(source), book, refusal, shapes):
        assert isinstance(outcome, Translation) or any(words in outcome.reason for words in reasons), outcome


def test_every_pair_of_models_answers_a_plain_request_over_the_wire(book):
    """The simulator's own front door, bytes and headers included."""
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
    simulator = Simulator(book, clock=lambda: moment)

    async def status(request):
        headers = (("x-api-key", "k"), *request.headers)
        response = await simulator.open(UpstreamRequest("POST", "/v1/messages", "", headers, request.content()))
        return response.status

    async def statuses():
        for source, target in permutations(answering(book), 2):
            request = named(asked(max_tokens=2_000, version=NEW), source)
            yield await status(translated(request, source=source, target=target, on=TODAY).request)

    async def collected():
        return [each async for each in statuses()]

    assert asyncio.run(collected()) == [200] * (len(MODELS) * (len(MODELS) - 1))
