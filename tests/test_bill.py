"""The law of the bill: whatever happens, the parts add up, and what the ledger says was paid is what was charged."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semcache import AsyncSemanticCache, Settings
from semcache.drivers import Live, astream
from semcache.errors import SemcacheError
from semcache.ledger import BROKEN_OFF, LOST
from semcache.policy import STRATEGIES, Namespace, RoutingPolicy
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Json
from semcache.stores.ledger_book import LedgerQuery, LedgerRow
from semcache.strategies.approved_prompts import Approved, ApprovedPrompts, prompt_hash
from semcache.upstream.simulator import BatchConduct, Conduct, Reply, SimulatedCall, Simulator
from semcache.upstream.simulator.faults import Fault, FaultKind

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
DAY = 86_400.0
RAMBLE, FAILS = "Tell me everything about rails.", "This one fails."
LONG = "You answer travellers of the northern line, kindly and in few words. " * 90
TURN = "I walked for hours along the river, and it rained all day, but the tea was good. " * 12
BROKEN = (FaultKind.MID_STREAM_ERROR, FaultKind.TRUNCATED, FaultKind.TORN)


def said(body: Json) -> Reply:
    """Some answers never end by themselves; the others are short, and one question has one answer."""
    content = json.dumps(body["messages"][-1]["content"])
    return Reply("and on, " * 9_000 if RAMBLE in content else f"Said of {len(content) % 5}.")


def is_doomed(params: Json) -> int | None:
    return 500 if FAILS in json.dumps(params) else None


def talk(turns: int) -> list[Json]:
    return [{"role": role, "content": f"{turn}. {TURN}"} for turn in range(turns) for role in ("user", "assistant")]


QUESTIONS = (
    "Which train goes to Hull?", "What train goes to Hull?", "Which train goes to Hull please?", "Is 17 prime?",
    "Classify: the soup was cold.", "May I bring my dog?", RAMBLE, FAILS,
)  # fmt: skip
ASKED = st.fixed_dictionaries(
    {"question": st.sampled_from(QUESTIONS), "model": st.sampled_from([OPUS, SONNET, HAIKU, "auto"])},
    optional={
        "system": st.sampled_from([LONG, "Be brief.   \n\n\n\nBe kind."]),
        "history": st.integers(0, 9).map(talk),
        "task": st.sampled_from(["classification", "extraction", "reasoning"]),
        "mode": st.sampled_from(["off", "exact", "semantic", "shadow"]),
        "namespace": st.sampled_from(["thrifty"]),
        "check": st.just(lambda text: False),
        "max_tokens": st.sampled_from([64, 20_000]),
        "tags": st.just(("a",)),
        "strategies": st.sampled_from(["compression", "none", "-prompt_caching"]),
    },
)
EVENTS = st.one_of(
    st.tuples(st.just("ask"), ASKED),
    st.tuples(st.just("stream"), ASKED),
    st.tuples(st.just("together"), ASKED),
    st.tuples(st.sampled_from(["hang up", *BROKEN]), ASKED),
    st.tuples(st.sampled_from([429, 500, 529]), ASKED),
    st.tuples(st.just("batch"), st.lists(st.sampled_from(QUESTIONS), min_size=1, max_size=4)),
    st.tuples(st.just("wait"), st.sampled_from([60.0, 400.0, 5000.0])),
)


class World:
    """A cache with everything switched on, before a simulator that bills."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        quick = BatchConduct(seconds=0.0, is_shuffled=False, fails=is_doomed)
        self.simulator = Simulator(
            PriceBook.load(find_claude_manifest(None)), answers=said, clock=self.clock, conduct=Conduct(batches=quick)
        )
        known = Settings(
            data_dir=folder,
            store="memory:",
            strategies=STRATEGIES,
            judge_model=HAIKU,
            routing=RoutingPolicy(classifier=HAIKU, tolerance=0.5),
            namespaces={"thrifty": Namespace(downshift=True)},
            usd_per_day=2.0,
        )
        self.lost: list[SimulatedCall] = []  # streams that reached nobody whole
        self.cache = AsyncSemanticCache(known, upstream=self.simulator, clock=self.clock)
        assembly = self.cache.parts.assembly
        version = Approved(prompt_hash(LONG), LONG[:2_400], self.clock(), 1_500, 600, control_share=0.2)
        ApprovedPrompts(assembly.store, clock=self.clock).approve(version)
        faq = folder / "faq.jsonl"
        faq.write_text('{"question": "May I bring my dog?", "answer": "On a lead."}\n', "utf-8")
        self.cache.import_faq(faq)

    async def happen(self, what: Any, detail: Any) -> None:
        self.clock.advance(1.0)
        if what == "wait":
            self.clock.advance(detail)
        elif what == "batch":
            await self.cache.batch(detail, model=HAIKU)
        else:
            with suppress(SemcacheError):
                await self._ask(what, dict(detail))
            self.simulator.clear_faults()
        await asyncio.to_thread(self.cache.settle, 20)

    async def _ask(self, what: Any, options: dict[str, Any]) -> None:
        if isinstance(what, int):
            self.simulator.inject(Fault.of_status(what), times=1)
        if what == "ask" or isinstance(what, int):
            await self.cache.ask(**options)
        elif what == "together":
            await asyncio.gather(*(self.cache.ask(**options) for _ in range(3)))
        else:
            if isinstance(what, FaultKind):
                self.simulator.inject(Fault(what), when=lambda body: body.get("stream") is True)
            await self._stream(options, hangs_up=what == "hang up")

    async def _stream(self, options: dict[str, Any], *, hangs_up: bool) -> None:
        request = self.cache.parts.request(**options, stream=True)
        self.cache.parts.learn_in_this_loop(self.cache.flights)
        live = await astream(self.cache.parts.assembly.forward(request), self.cache.flights, self.cache.advance)
        if isinstance(live, Live):
            chunks = live.chunks()
            async for _ in chunks:
                if hangs_up:
                    break
            await chunks.aclose()
            if live.answer is None:
                self.lost.append(self.simulator.calls[-1])

    def rows(self) -> list[LedgerRow]:
        assembly = self.cache.parts.assembly
        assembly.ledger.flush()
        return [row for _, row in assembly.store.ledger_rows(LedgerQuery(), limit=100_000)]


async def lived(folder: Path, events: list[tuple[Any, Any]]) -> World:
    world = World(folder)
    try:
        for what, detail in events:
            await world.happen(what, detail)
        check(world)
    finally:
        await world.cache.aclose()
    return world


def check(world: World) -> None:
    rows, report = world.rows(), world.cache.savings()
    for row in rows:
        assert sum(row.parts.values(), Decimal(0)) == row.baseline_usd - row.cost_usd, row.outcome
    saved = sum((part.usd for part in report.waterfall), Decimal(0))
    caused = sum((part.usd for part in report.caused), Decimal(0))
    baseline, cost = (sum((getattr(row, name) for row in rows), Decimal(0)) for name in ("baseline_usd", "cost_usd"))
    assert saved - caused == baseline - cost == report.saved_usd
    charged, unseen_usd = world.simulator.bill_usd, Decimal(0)
    for row, call in zip((row for row in rows if row.reason == BROKEN_OFF), world.lost, strict=True):
        assert call.usage is not None
        assert row.cost_usd <= call.cost_usd
        assert row.input_tokens == call.usage.prompt_tokens
        unseen_usd += call.cost_usd - row.cost_usd
    assert charged == cost + unseen_usd
    today = sum((row.cost_usd for row in rows if row.at // DAY == world.clock() // DAY), Decimal(0))
    limited = world.cache.parts.assembly.spending.spent(now=world.clock())
    counted_usd = limited["service"].usd if "service" in limited else 0.0
    assert counted_usd == pytest.approx(float(today), abs=1e-9)


def test_the_world_of_this_test_has_everything_in_it(tmp_path: Path) -> None:
    """Else the law would hold of nothing."""
    hull = {"question": "Which train goes to Hull?", "model": HAIKU, "max_tokens": 20_000}
    events: list[tuple[Any, Any]] = [("ask", hull), ("ask", hull)]
    events += [("ask", {**hull, "question": "Which train goes to Hull please?"})]
    events += [("ask", {**hull, "question": "May I bring my dog?"}), ("together", {**hull, "question": "Is 17 prime?"})]
    events += [(what, {**hull, "question": f"Say more of {what}.", "mode": "off"}) for what in ("hang up", *BROKEN)]
    events += [("ask", {**hull, "model": "auto", "question": f"Is {n} prime?", "system": LONG, "history": talk(9),
                        "check": lambda text: False}) for n in range(3)]  # fmt: skip
    events += [(529, {**hull, "model": "auto", "question": "Is 23 prime?"})]
    events += [("ask", {**hull, "question": f"{RAMBLE} {n}", "mode": "off"}) for n in range(12)]
    events += [("ask", {**hull, "model": OPUS, "question": f"Is {n} odd?", "namespace": "thrifty"}) for n in range(3)]
    events += [("ask", {**hull, "system": LONG, "question": f"And {n}?", "mode": "off"}) for n in range(6)]
    events += [("ask", {**hull, "question": "The soup was cold.", "model": "auto", "task": "classification"})]
    events += [("ask", {**hull, "question": "So?", "history": talk(30), "model": SONNET, "strategies": "compression"})]
    events += [("batch", ["Where is Hull?", "Where is Hull?", FAILS])]
    world = asyncio.run(lived(tmp_path, events))
    met = Counter(name.removeprefix("call:") for row in world.rows() for name in row.parts)
    met += Counter(row.outcome for row in world.rows())
    wanted = {"exact", "faq", "coalesced", "tiering", "routing", "prompt_caching", "cache_writes", "compression",
              "prompt_optimisation", "batch", "classify", "check", LOST, "shadow"}  # fmt: skip
    assert wanted <= met.keys(), wanted - met.keys()
    assert met[LOST] == 4


@given(events=st.lists(EVENTS, min_size=1, max_size=8))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_whatever_happens_the_parts_add_up_and_what_was_booked_was_charged(
    tmp_path: Path, events: list[tuple[Any, Any]]
) -> None:
    asyncio.run(lived(tmp_path, events))
