"""Approved versions: who gets them, and that a conversation keeps the form that its thinking was signed behind."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest
from fakes import body

from semcache.errors import StoreError, UpstreamStatus
from semcache.exchange import send_upstream
from semcache.message import Message
from semcache.request import Request
from semcache.stores.memory import MemoryStore
from semcache.strategies.approved_prompts import (
    DOCUMENT,
    REREAD_SECONDS,
    REVERTED_KEPT_SECONDS,
    STRATEGY,
    Approved,
    ApprovedPrompts,
    Replacing,
    Sides,
    is_control,
    prompt_hash,
    read_approved,
)
from semcache.strategies.consent import Consent
from semcache.strategies.prompt_forms import FormMemory, Learned, PromptForms
from semcache.strategies.system_prompts import SystemPrompts
from semcache.strategies.tidying import STRATEGY as TIDYING
from semcache.strategies.tidying import Tidying
from semcache.upstream.simulator import Simulator
from semcache.upstream.upstream import UpstreamRequest

LONG = " ".join(
    ["You are an assistant of the harbour office, and you should please always answer kindly and briefly."] * 6
)
SHORT = "Assistant of the harbour office: kind, few words."
UNTIDY = "The ferry leaves at nine. \n\n\n\nTickets are sold on board. "
HEADERS = (("anthropic-version", "2026-10-21"), ("x-api-key", "one"))
BOTH = (TIDYING, STRATEGY)


@pytest.fixture
def store(clock):
    return MemoryStore(clock=clock)


def version(original: str = LONG, text: str = SHORT, **known) -> Approved:
    figures = {"approved_at": 0.0, "tokens_before": 160, "tokens_after": 13, "control_share": 0.0, **known}
    return Approved(prompt_hash(original), text, **figures)


@dataclass
class Rig:
    """The step before the strict simulator."""

    book: object
    store: object
    clock: object
    strategies: tuple = BOTH
    learned: Learned = field(default_factory=lambda: Learned(FormMemory(), SystemPrompts(), Sides()))

    def __post_init__(self):
        consent = Consent(self.strategies, {})
        self.approved = ApprovedPrompts(self.store, clock=self.clock)
        self.replacing = Replacing(consent, self.approved, self.book)
        tidying = Tidying(consent, self.book)
        self.forms = PromptForms(
            consent,
            tidying,
            self.replacing,
            learned=self.learned,
            prices=self.book,
            held_tokens=lambda request: 0,
            clock=self.clock,
        )
        self.simulator = Simulator(self.book, clock=self.clock)

    def approve(self, **known):
        self.approved.approve(version(**known))

    def restarted(self, *, forgets: bool = False, **changes) -> Rig:
        learned = Learned(FormMemory(), SystemPrompts(), Sides())
        if not forgets:
            learned.forms.restore(self.learned.forms.to_bytes())
        rig = Rig(self.book, self.store, self.clock, learned=learned, **changes)
        rig.simulator = self.simulator
        return rig

    def ask(self, messages, system=LONG, *, model="claude-sonnet-5-5"):
        fields = {"model": model, "max_tokens": 2000, "system": system, "messages": messages}
        exchange = self.forms.step(Request(body(**fields) | fields, headers=HEADERS), send_upstream)
        call = next(exchange)
        try:
            while True:
                status, answer = asyncio.run(self._sent(call.request))
                if status == 200:
                    call = exchange.send(Message(json.loads(answer)))
                else:
                    call = exchange.throw(UpstreamStatus(status, (), answer))
        except StopIteration as stop:
            return stop.value

    async def _sent(self, request):
        wire = UpstreamRequest("POST", "/v1/messages", "", request.headers, request.content())
        response = await self.simulator.open(wire)
        return response.status, b"".join([chunk async for chunk in response.chunks()])

    def sent_systems(self):
        return [call.body.get("system") for call in self.simulator.calls]


@pytest.fixture
def rig(book, store, clock):
    return Rig(book, store, clock)


def user(text="When does the ferry leave?"):
    return {"role": "user", "content": text}


def after(messages, answer, text="And back?"):
    return [*messages, {"role": "assistant", "content": answer.message.body["content"]}, user(text)]


def replaced(rig, **fields):
    return rig.replacing.replaced(Request({**body(), **fields}))


@pytest.mark.parametrize(
    ("system", "sent"),
    [
        pytest.param(LONG, SHORT, id="a text"),
        pytest.param(f"{LONG}\n", SHORT, id="with a line end"),
        pytest.param("Another prompt.", "Another prompt.", id="another text"),
        pytest.param(
            [{"type": "text", "text": "Today is Monday."},
             {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}],
            [{"type": "text", "text": "Today is Monday."},
             {"type": "text", "text": SHORT, "cache_control": {"type": "ephemeral"}}],
            id="a marked block beside another",
        ),
    ],
)  # fmt: skip
def test_the_approved_version_stands_where_its_original_stood(rig, system, sent) -> None:
    rig.approve()
    assert replaced(rig, system=system).body["system"] == sent


def test_what_was_left_out_is_booked_to_it(rig) -> None:
    rig.approve()
    request = replaced(rig, system=LONG)
    assert (request.shaped_by, request.cuts[0][0], request.cut_tokens > 100) == ((STRATEGY,), STRATEGY, True)


def test_nothing_is_used_before_it_is_approved_or_where_it_is_not_allowed(rig, book, store, clock) -> None:
    request = Request({**body(), "system": LONG})
    assert rig.replacing.replaced(request) is request
    rig.approve()
    assert Replacing(Consent((), {}), rig.approved, book).replaced(request) is request


def test_the_control_share_of_conversations_keeps_the_original_in_every_turn(rig) -> None:
    rig.approve(control_share=0.3)
    kept = 0
    for number in range(400):
        messages = [user(f"Question {number}")]
        later = [*messages, {"role": "assistant", "content": "Yes."}, user("And then?")]
        blocks = [{"role": "user", "content": [{"type": "text", "text": f"Question {number}"}]}]
        sides = {replaced(rig, system=LONG, messages=each).body["system"] for each in (messages, later, blocks)}
        assert len(sides) == 1
        kept += sides == {LONG}
    assert 80 <= kept <= 160


def test_another_process_uses_it_within_half_a_minute_and_takes_it_back(rig, book, store, clock) -> None:
    other = ApprovedPrompts(store, clock=clock)
    assert rig.approved.versions() == ()
    other.approve(version())
    assert rig.approved.versions() == ()
    clock.advance(REREAD_SECONDS)
    assert replaced(rig, system=LONG).body["system"] == SHORT
    assert other.revert(prompt_hash(LONG))
    assert not other.revert(prompt_hash(LONG))
    clock.advance(REREAD_SECONDS)
    assert replaced(rig, system=LONG).body["system"] == LONG


def test_a_new_version_takes_the_place_of_the_last(rig, clock) -> None:
    rig.approve()
    rig.approve(text="Harbour office: be kind.")
    assert replaced(rig, system=LONG).body["system"] == "Harbour office: be kind."
    clock.advance(REVERTED_KEPT_SECONDS + 1)
    rig.approve(text="Harbour office.")
    assert len(read_approved(rig.store)) == 2  # the first has been out of use for too long


def test_a_book_that_cannot_be_read_costs_the_savings_only(rig, store, clock) -> None:
    rig.approve()
    assert rig.approved.versions()
    store.save_document(DOCUMENT, b'[{"of": "a later version"}]')
    clock.advance(REREAD_SECONDS)
    assert replaced(rig, system=LONG).body["system"] == SHORT
    with pytest.raises(StoreError):
        read_approved(store)


def test_both_sides_are_counted_and_survive_a_restart(rig) -> None:
    rig.approve(control_share=0.5)
    for number in range(12):
        rig.ask([user(f"Question {number}")])
    known = Sides()
    known.restore(rig.learned.sides.to_bytes())
    view = known.view(version(control_share=0.5).id)
    assert view["version"]["requests"] + view["control"]["requests"] == 12
    assert view["version"]["requests"] == rig.sent_systems().count(SHORT)
    assert view["version"]["mean_output_tokens"] > 0


def test_a_conversation_that_began_tidied_goes_on_tidied(rig) -> None:
    messages = [user(UNTIDY)]
    first = rig.ask(messages)
    again = rig.restarted().ask(after(messages, first))
    assert first.message.body["content"][0]["type"] == "thinking"
    assert again.message.stop_reason == "end_turn"
    assert [call.status for call in rig.simulator.calls] == [200, 200]


def test_a_conversation_that_began_as_it_came_goes_on_so(rig) -> None:
    messages = [user(UNTIDY)]
    first = rig.restarted(strategies=()).ask(messages)
    rig.approve()
    rig.ask(after(messages, first))
    assert [call.status for call in rig.simulator.calls] == [200, 200]
    assert rig.sent_systems() == [LONG, LONG]


def test_where_the_form_is_forgotten_the_refusal_tells_it(rig) -> None:
    rig.approve()
    messages = [user(UNTIDY)]
    first = rig.ask(messages)
    again = rig.restarted(forgets=True).ask(after(messages, first))
    assert again.message.stop_reason == "end_turn"
    assert [call.status for call in rig.simulator.calls] == [200, 400, 200]
    assert rig.sent_systems() == [SHORT, LONG, SHORT]


def test_a_conversation_keeps_its_version_when_that_is_reverted(rig, clock) -> None:
    rig.approve()
    messages = [user()]
    first = rig.ask(messages)
    rig.approved.revert(prompt_hash(LONG))
    clock.advance(REREAD_SECONDS)
    second = rig.ask(after(messages, first))
    rig.ask(after(after(messages, first), second, "And on Sundays?"))
    rig.ask([user("Somebody else.")])
    assert rig.sent_systems() == [SHORT, SHORT, SHORT, LONG]
    assert {call.status for call in rig.simulator.calls} == {200}


def test_another_refusal_is_told_as_it_is(rig) -> None:
    with pytest.raises(UpstreamStatus) as refused:
        rig.ask([user(UNTIDY)], model="claude-of-nowhere")
    assert refused.value.status == 404
    assert len(rig.simulator.calls) == 1


def test_the_costliest_system_prompts_are_known_and_secret_ones_are_not(rig) -> None:
    secret = f"{LONG} password = hunter2hunter2"
    for system in (LONG, LONG, LONG, f"{LONG}{LONG}", secret, "Short."):
        rig.ask([user()], system)
    known = SystemPrompts()
    known.restore(rig.learned.prompts.to_bytes())
    assert [(each.text, each.requests) for each in known.costliest()] == [(LONG, 3), (f"{LONG}{LONG}", 1)]
    total = sum(each.cost_usd for each in known.costliest())
    assert 0 < total < float(rig.simulator.bill_usd)


def test_where_it_is_not_allowed_no_text_is_kept(rig) -> None:
    plain = rig.restarted(strategies=(TIDYING,))
    plain.ask([user()])
    assert plain.learned.prompts.costliest() == []


def test_the_control_is_drawn_for_each_prompt_by_itself() -> None:
    sides = [
        is_control(Request(body("Hello")), version(original=f"{LONG}{number}", control_share=0.5))
        for number in range(40)
    ]
    assert 5 < sum(sides) < 35
