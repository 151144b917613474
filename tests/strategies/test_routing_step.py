"""Routing through the library's public face: where misses go, what escalates, what fails over, what is proven."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock, FakeUpstream, Reply, message

from semcache import Bypass, Hit, Miss, SemanticCache, Settings
from semcache.assembly import Brought
from semcache.errors import InvalidRequest, UpstreamStatus
from semcache.policy import Namespace, RouteRule, RoutingPolicy, TaskPolicy
from semcache.request import Json

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
EASY = "What is the capital of Portugal?"
ANALYSIS = "Analyse the trade-offs of the two designs below and recommend one, with the risks of each."
EXTRACT = "Extract the invoice number from this text: Invoice 4711 of 3 May."

Say = Callable[[Json], Reply]


def saying(text: str | Callable[[Json], str] = "Lisbon.", **fields: Any) -> Say:
    """An upstream that answers as the model it was asked for."""

    def answer(body: Json) -> Reply:
        said = text(body) if callable(text) else text
        return Reply(body=message(said, model=body["model"], **fields).content())

    return answer


def failing(status: int, *models: str, headers: tuple[tuple[str, str], ...] = (), otherwise: Say | None = None) -> Say:
    def answer(body: Json) -> Reply:
        if body["model"] in models:
            error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
            return Reply(status, json.dumps(error).encode(), (("content-type", "application/json"), *headers))
        return (otherwise or saying())(body)

    return answer


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., SemanticCache]]:
    caches: list[SemanticCache] = []

    def opening(say: Say | None = None, **settings: Any) -> SemanticCache:
        upstream = FakeUpstream(say or saying())
        chosen = Settings(store="memory:", embedder="hashed", data_dir=tmp_path, **settings)
        cache = SemanticCache(chosen, upstream=upstream, clock=clock, brought=Brought(randomness=random.Random(1)))
        caches.append(cache)
        return cache

    yield opening
    for cache in caches:
        cache.close()


def asked_models(cache: SemanticCache) -> list[str]:
    upstream = cache.parts.upstream
    assert isinstance(upstream, FakeUpstream)
    return [json.loads(call.body or b"{}")["model"] for call in upstream.calls]


def quiet(**routing: Any) -> dict[str, Any]:
    """Settings under which nothing is asked in the background."""
    return {"routing": RoutingPolicy(**routing), "audits": False}


# choosing


@pytest.mark.parametrize(
    ("question", "options", "model", "effort"),
    [
        pytest.param(EXTRACT, {}, HAIKU, None, id="an easy task goes to the small model"),
        pytest.param(ANALYSIS, {}, SONNET, "medium", id="analysis goes to the middle one"),
        pytest.param(EASY, {"task": "reasoning"}, OPUS, "high", id="a named task goes where the table says"),
        pytest.param(EASY, {"task": "classification"}, HAIKU, "low", id="with the effort the table says"),
        pytest.param(EXTRACT, {"output_config": {"effort": "max"}}, HAIKU, "max", id="the caller's own effort stays"),
        pytest.param(EXTRACT, {"strategies": "none"}, SONNET, "medium", id="unjudged goes to the middle"),
        pytest.param(
            "What time is it there?", {"tools": [{"name": "clock", "input_schema": {"type": "object"}}]}, SONNET,
            "medium", id="work with tools is never the simplest",
        ),
    ],
)  # fmt: skip
def test_auto_goes_to_the_cheapest_sufficient_arm(
    opened: Any, question: str, options: Json, model: str, effort: str | None
) -> None:
    answer = opened().ask(question, model="auto", **options)
    assert answer.call.request.model == model
    assert answer.call.request.body.get("output_config", {}).get("effort") == effort
    assert answer.call.routed.requested == "auto"


def test_a_named_model_is_asked_and_the_body_goes_up_as_it_came(opened: Any) -> None:
    cache = opened()
    answer = cache.ask(EXTRACT, model=OPUS)
    assert asked_models(cache) == [OPUS]
    assert answer.call.request.shaped_by == ()
    assert answer.call.routed is None


def test_a_task_that_does_not_exist_is_an_error_that_names_those_that_do(opened: Any) -> None:
    with pytest.raises(InvalidRequest, match="x-semcache-task: there is no such task; known are analysis, class"):
        opened().ask(EASY, model="auto", task="poetry")


def test_rules_come_first_and_the_first_that_fits_counts(opened: Any) -> None:
    rules = (
        RouteRule(arm="claude-opus-5-5@max", tag="vip"),
        RouteRule(task="classification", question="(?i)urgent"),
        RouteRule(arm=HAIKU, namespace="other"),
    )
    cache = opened(**quiet(rules=rules))
    ask = lambda question, **options: cache.ask(question, model="auto", **options).call  # noqa: E731
    assert ask(EASY, tags=["vip"]).request.body["output_config"]["effort"] == "max"
    assert ask("Is this urgent? The server is down.").routed.because == "rule 2: classification"
    assert ask(ANALYSIS).request.model == SONNET


def test_a_rule_knows_a_system_prompt_by_its_hash(opened: Any) -> None:
    from semcache.canonical import system_digest
    from semcache.request import Request

    known = system_digest(Request({"system": "You sort mail."}))[:12]
    cache = opened(**quiet(rules=(RouteRule(task="classification", system=known),)))
    assert cache.ask(ANALYSIS, model="auto", system="You sort mail.").call.request.model == HAIKU
    assert cache.ask(ANALYSIS, model="auto", system="You sort letters.").call.request.model == SONNET


def test_tasks_of_ones_own_are_named_like_the_others(opened: Any) -> None:
    cache = opened(**quiet(tasks={"haiku-poetry": TaskPolicy(arm="claude-opus-5-5@low")}))
    assert cache.ask(EASY, model="auto", task="haiku-poetry").call.request.model == OPUS


def test_what_auto_was_answered_is_served_again_and_costs_nothing(opened: Any) -> None:
    cache = opened()
    first, second = cache.ask(EASY, model="auto"), cache.ask(EASY, model="auto")
    assert isinstance(first.lookup, Miss)
    assert isinstance(second.lookup, Hit)
    assert second.cost_usd == 0


def test_routing_saves_against_the_usual_choice(opened: Any) -> None:
    answer = opened().ask(EXTRACT, model="auto")
    assert answer.baseline_usd == 20 * answer.cost_usd  # Sonnet's prices are twenty times Haiku's, counted alike


def test_a_request_that_no_model_takes_is_refused_with_a_remedy(opened: Any) -> None:
    cache = opened(**quiet(simple=OPUS, moderate=OPUS, complex=OPUS))
    with pytest.raises(InvalidRequest, match="model: auto finds no model that takes this request"):
        cache.ask(EASY, model="auto", tools=[{"name": "t", "input_schema": {}}], tool_choice={"type": "any"})


# conversations


def test_a_conversation_stays_where_it_began(opened: Any, clock: Clock) -> None:
    cache = opened(**quiet())
    cache.ask(ANALYSIS, model="auto")
    history = [{"role": "user", "content": ANALYSIS}, {"role": "assistant", "content": "The first."}]
    assert cache.ask("Thanks. What is the first called?", model="auto", history=history).call.request.model == SONNET
    clock.advance(3_600)  # by now nothing is cached there any more
    assert cache.ask("And the second?", model="auto", history=history).call.request.model == HAIKU


def test_a_conversation_that_grows_harder_moves_up(opened: Any) -> None:
    cache = opened(**quiet())
    cache.ask(EASY, model="auto")
    history = [{"role": "user", "content": EASY}, {"role": "assistant", "content": "Lisbon."}]
    assert cache.ask(ANALYSIS, model="auto", history=history).call.request.model == SONNET


def test_a_conversation_with_signed_thinking_never_moves(opened: Any) -> None:
    cache = opened(**quiet())
    cache.ask(EASY, model="auto")
    thought = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    history = [
        {"role": "user", "content": EASY},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Lisbon."}]},
    ]
    assert cache.ask(ANALYSIS, model="auto", history=history).call.request.model == HAIKU


def test_conversations_are_taken_up_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    settings = Settings(embedder="hashed", data_dir=tmp_path, audits=False)
    history = [{"role": "user", "content": ANALYSIS}, {"role": "assistant", "content": "The first."}]
    for question, past in ((ANALYSIS, []), ("Thanks. And its name?", history)):
        with SemanticCache(settings, upstream=FakeUpstream(saying()), clock=clock) as cache:
            assert cache.ask(question, model="auto", history=past).call.request.model == SONNET


# the cascade


def refusing_to_say(models: tuple[str, ...], text: str = "I'm not sure.") -> Say:
    return saying(lambda body: text if body["model"] in models else '{"number": "4711"}')


@pytest.mark.parametrize(
    ("weak", "why", "options"),
    [
        pytest.param("I'm not sure about that.", "hedged", {}, id="hedging"),
        pytest.param("The number is 4711.", "not-json", {"system": "Answer in JSON."}, id="no JSON where it was asked"),
        pytest.param("", "empty", {}, id="empty"),
        pytest.param("4711", "check", {"check": lambda text: text.startswith("{")}, id="the caller's own check"),
    ],
)
def test_an_answer_that_shows_its_failure_is_asked_again_of_a_stronger_model(
    opened: Any, weak: str, why: str, options: Json
) -> None:
    cache = opened(refusing_to_say((HAIKU,), weak), **quiet())
    answer = cache.ask(EXTRACT, model="auto", **options)
    assert asked_models(cache) == [HAIKU, SONNET]
    assert answer.message.text == '{"number": "4711"}'
    assert [attempt.why for attempt in answer.attempts] == [why]
    assert answer.call.routed.because.endswith(f"after {why}")
    assert answer.stored is not None


def test_a_schema_that_is_not_met_escalates(opened: Any) -> None:
    schema = {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]}
    cache = opened(refusing_to_say((HAIKU,), '{"total": 3}'), **quiet())
    cache.ask(EXTRACT, model="auto", output_config={"format": {"type": "json_schema", "schema": schema}})
    assert asked_models(cache) == [HAIKU, SONNET]


def test_an_escalation_is_paid_for_in_full(opened: Any) -> None:
    plain = opened(**quiet()).ask(EXTRACT, model="auto")
    escalated = opened(refusing_to_say((HAIKU,)), **quiet()).ask(EXTRACT, model="auto")
    assert escalated.cost_usd == plain.cost_usd + plain.baseline_usd  # Haiku's, and Sonnet's
    assert escalated.saved_usd < 0


def test_a_task_with_an_answer_pattern_is_held_to_it(opened: Any) -> None:
    tasks = {"classification": TaskPolicy(answer_pattern="^(yes|no)$")}
    cache = opened(saying(lambda body: "perhaps" if body["model"] == HAIKU else "yes"), **quiet(tasks=tasks))
    assert cache.ask(EASY, model="auto", task="classification").message.text == "yes"


def test_an_answer_cut_off_by_our_own_limit_is_asked_again_with_the_callers(opened: Any) -> None:
    def answer(body: Json) -> Reply:
        short = body["max_tokens"] == 1_024
        return Reply(body=message("Lis", model=HAIKU, stop_reason="max_tokens" if short else "end_turn").content())

    cache = opened(answer, **quiet())
    got = cache.ask(EASY, model="auto", task="classification", max_tokens=8_000)
    assert asked_models(cache) == [HAIKU, HAIKU]
    assert (got.message.stop_reason, [each.why for each in got.attempts]) == ("end_turn", ["truncated"])


def test_where_the_strategy_is_off_nothing_escalates(opened: Any) -> None:
    cache = opened(refusing_to_say((HAIKU,)), **quiet())
    assert cache.ask(EXTRACT, model="auto", strategies="-cascade").message.text == "I'm not sure."


def test_a_model_that_keeps_failing_is_no_longer_asked_first(opened: Any) -> None:
    cache = opened(refusing_to_say((HAIKU,)), **quiet())
    for number in range(400):
        cache.ask(f"Extract the invoice number from this text: Invoice {number}.", model="auto", mode="off")
    assert asked_models(cache)[:2] == [HAIKU, SONNET]
    assert asked_models(cache)[-2:] == [SONNET, SONNET]


# failover


def test_an_overloaded_model_hands_over_to_the_next(opened: Any) -> None:
    cache = opened(failing(529, HAIKU), **quiet())
    answer = cache.ask(EXTRACT, model="auto")
    assert asked_models(cache) == [HAIKU, SONNET]
    assert answer.call.routed.is_failover
    assert answer.call.routed.because.endswith("claude-haiku-5-5 failed")


def test_what_asked_for_rest_is_left_alone_until_then(opened: Any, clock: Clock) -> None:
    cache = opened(failing(429, HAIKU, headers=(("retry-after", "60"),)), **quiet())
    for _ in range(3):
        cache.ask(EXTRACT, model="auto", mode="off")
    assert asked_models(cache) == [HAIKU, SONNET, SONNET, SONNET]
    clock.advance(61)
    cache.ask(EXTRACT, model="auto", mode="off")
    assert asked_models(cache)[4:] == [HAIKU, SONNET]


def test_where_every_model_fails_the_last_error_goes_back(opened: Any) -> None:
    cache = opened(failing(529, HAIKU, SONNET, OPUS), **quiet())
    with pytest.raises(UpstreamStatus) as caught:
        cache.ask(EXTRACT, model="auto")
    assert caught.value.status == 529
    assert len(asked_models(cache)) == 3
    assert isinstance(caught.value.lookup, Miss | Bypass)


def test_a_weaker_model_may_stand_in_but_is_not_remembered(opened: Any) -> None:
    cache = opened(failing(529, SONNET, OPUS), **quiet())
    answer = cache.ask(ANALYSIS, model="auto")
    assert answer.call.request.model == HAIKU
    assert (answer.stored, answer.not_stored) == (None, "stopgap")


def test_a_named_model_does_not_fail_over(opened: Any) -> None:
    cache = opened(failing(529, OPUS), **quiet())
    with pytest.raises(UpstreamStatus):
        cache.ask(EASY, model=OPUS)
    assert asked_models(cache) == [OPUS]


def test_a_bad_request_is_not_tried_elsewhere(opened: Any) -> None:
    cache = opened(failing(400, HAIKU), **quiet())
    with pytest.raises(UpstreamStatus):
        cache.ask(EXTRACT, model="auto")
    assert asked_models(cache) == [HAIKU]


# Claude as the judge of complexity


def test_claude_is_asked_once_how_hard_a_question_is(opened: Any) -> None:
    def answer(body: Json) -> Reply:
        judging = "judge how hard" in str(body.get("system"))
        said = json.dumps({"level": "complex", "task": "other"}) if judging else "Lisbon."
        return Reply(body=message(said, model=body["model"]).content())

    cache = opened(answer, **quiet(classifier=HAIKU))
    first = cache.ask(EASY, model="auto", mode="off")
    again = cache.ask(EASY, model="auto", mode="off")
    assert asked_models(cache) == [HAIKU, OPUS, OPUS]
    assert [attempt.why for attempt in first.attempts] == ["classify"]
    assert first.cost_usd > again.cost_usd


def test_a_judge_that_cannot_be_understood_leaves_the_choice_to_the_local_one(opened: Any) -> None:
    cache = opened(saying("Lisbon."), **quiet(classifier=HAIKU))
    assert cache.ask(EXTRACT, model="auto").call.request.model == HAIKU


# consent and proof

SHOP = {"shop": Namespace(downshift=True)}


def ask_many(cache: SemanticCache, count: int, *, start: int = 0) -> list[str]:
    for number in range(start, start + count):
        cache.ask(f"Extract the invoice number from this text: Invoice {number}.", model=OPUS, namespace="shop")
        cache.settle(20)
    return asked_models(cache)


def echo_number(body: Json) -> str:
    return "".join(filter(str.isdigit, body["messages"][-1]["content"]))


def test_below_the_evidence_needed_nothing_is_downshifted_but_compared(opened: Any) -> None:
    cache = opened(saying(echo_number), namespaces=SHOP)
    models = ask_many(cache, 20)
    assert models == [OPUS, HAIKU] * 20  # the caller is served by the model he named
    [(namespace, report)] = cache.routes()
    assert (namespace, report.category, report.is_certified) == ("shop", f"extraction:{HAIKU}<{OPUS}", False)
    assert report.certificate.audited == 20


def test_once_it_is_proven_the_cheaper_model_answers(opened: Any) -> None:
    cache = opened(saying(echo_number), namespaces=SHOP)
    models = ask_many(cache, 200)
    [(_, report)] = cache.routes()
    assert report.is_certified
    assert report.certificate.upper_bound <= 0.05
    assert models[:2] == [OPUS, HAIKU]  # the caller's first, the comparison afterwards
    assert models[-1] == HAIKU or models[-2:] == [HAIKU, OPUS]
    assert models.count(HAIKU) == 200
    assert models.count(OPUS) < 200
    last = cache.ask("Extract the invoice number from this text: Invoice 99999.", model=OPUS, namespace="shop")
    assert last.call.request.model == HAIKU
    assert last.call.routed.is_downshift
    assert last.saved_usd > 0


def test_a_cheaper_model_that_is_worse_is_never_served_to_who_named_a_dearer_one(opened: Any) -> None:
    cache = opened(saying(lambda body: "no idea 7" if body["model"] == HAIKU else echo_number(body)), namespaces=SHOP)
    ask_many(cache, 60)
    [(_, report)] = cache.routes()
    assert not report.is_certified
    answer = cache.ask("Extract the invoice number from this text: Invoice 99999.", model=OPUS, namespace="shop")
    assert answer.call.request.model == OPUS


def test_an_answer_of_a_cheaper_model_is_not_for_whoever_insists(opened: Any) -> None:
    cache = opened(saying(echo_number), namespaces=SHOP)
    ask_many(cache, 150)
    question = "Extract the invoice number from this text: Invoice 149."
    freely = cache.lookup(question, model=OPUS, namespace="shop")
    insisting = cache.lookup(question, model=OPUS, namespace="shop", strategies="none")
    assert isinstance(freely, Hit)
    assert freely.entry.served_model == HAIKU
    assert isinstance(insisting, Miss)


def test_the_comparisons_are_booked_as_costs(opened: Any) -> None:
    cache = opened(saying(echo_number), namespaces=SHOP)
    ask_many(cache, 3)
    [shadow] = [row for row in cache.savings().outcomes if row.key == ("shadow",)]
    assert (shadow.requests, shadow.baseline_usd) == (3, 0)
    assert shadow.cost_usd > 0


def test_a_downshifted_request_falls_back_to_the_model_that_was_named(opened: Any) -> None:
    weak = {"text": ""}
    cache = opened(saying(lambda body: weak["text"] if body["model"] == HAIKU and weak["text"] else echo_number(body)),
                   namespaces=SHOP)  # fmt: skip
    ask_many(cache, 150)
    weak["text"] = "I'm not sure."
    answer = cache.ask("Extract the invoice number from this text: Invoice 777.", model=OPUS, namespace="shop")
    assert answer.message.text == "777"
    assert answer.message.model == OPUS


def test_what_was_proven_survives_a_restart(tmp_path: Path, clock: Clock) -> None:
    settings = Settings(embedder="hashed", data_dir=tmp_path, namespaces=SHOP)
    with SemanticCache(settings, upstream=FakeUpstream(saying(echo_number)), clock=clock) as cache:
        ask_many(cache, 120)
        assert cache.routes()[0][1].is_certified
    with SemanticCache(settings, upstream=FakeUpstream(saying(echo_number)), clock=clock) as cache:
        assert cache.routes()[0][1].is_certified


def test_an_audit_of_an_answer_to_auto_asks_the_model_that_would_be_chosen(opened: Any) -> None:
    cache = opened(saying("Lisbon."))
    cache.put(EASY, "Lisbon.", model="auto")
    cache.ask(EASY + " Please", model="auto")
    cache.settle(10)
    assert "auto" not in asked_models(cache)


def test_people_who_report_a_cheap_answer_teach_the_router(opened: Any) -> None:
    cache = opened(saying(echo_number), **quiet())
    for number in range(60):
        answer = cache.ask(f"{EASY} Number {number}, please.", model="auto")
        assert cache.feedback(answer.stored.id, right=False) is not None
    assert cache.ask(f"{EASY} Number 61, please.", model="auto").call.request.model != HAIKU


# explanations


def test_a_route_is_explained_without_sending_anything(opened: Any) -> None:
    cache = opened(namespaces=SHOP)
    auto = cache.explain_route(EXTRACT, model="auto")
    named = cache.explain_route(EXTRACT, model=OPUS)
    allowed = cache.explain_route(EXTRACT, model=OPUS, namespace="shop")
    assert (auto.arm, auto.task, auto.level) == (HAIKU, "extraction", "simple")
    assert auto.says == f"Would go to {HAIKU} (simple extraction)."
    assert "does not allow another" in named.says
    assert "has not been proven" in allowed.says
    assert allowed.would_be == HAIKU
    assert asked_models(cache) == []
