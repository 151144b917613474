"""Runs of the benchmark of all strategies: the application through the whole product, with some of them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from impact_prompts import approve_shorter
from impact_world import Place, World, open_world, read_questions
from remembering import shared_embedder

from semcache import Settings
from semcache.policy import ESCORTS
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import AUTO_MODEL, Mode
from semcache.stores.ledger_book import LedgerQuery
from semcache.traffic.recorded import Recorded
from semcache.traffic.rehearsing import Rehearsal, Stage

TIERING, CACHING, BUDGETS, BATCH, RESPONSES, COMPRESSION, ROUTING, OPTIMISATION = STEPS = (
    "model tiering", "prompt caching", "token budgeting", "batch", "response caching", "context compression",
    "smart routing", "prompt optimisation",
)  # fmt: skip
_STRATEGIES = {
    TIERING: ("tiering",),
    CACHING: ("prompt_caching",),
    BUDGETS: ("token_budget", "trimming"),  # how much shorter a real Claude answers when asked to, nobody can simulate
    COMPRESSION: ("compression",),
    ROUTING: ("routing",),
    OPTIMISATION: ("tidying", "prompt_optimisation"),
}
_worlds = ExitStack()  # of this process, until it ends


class Task(NamedTuple):
    """One run: where, and with which of `STEPS`."""

    place: Place
    on: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """One run: dollars by the ledger and by the simulator, hits, those judged and wrong, and who answered the rest."""

    requests: int
    usd: float
    billed_usd: float
    hits: int
    judged: int
    wrong: int
    failed: int
    served: dict[str, int]


def run_all(tasks: Iterable[Task], data: Path | None, *, processes: int, work: Path | None) -> dict[Task, Outcome]:
    """Every task once, in their order, on so many processes; `work` keeps what is done, to go on from there."""
    found = _kept(work)
    missing = [task for task in dict.fromkeys(tasks) if task not in found]
    with ExitStack() as stack:
        done: Iterable[Outcome]
        if processes == 1:
            done = (run(task, data) for task in missing)
        else:
            pool = stack.enter_context(ProcessPoolExecutor(processes, mp_context=get_context("spawn")))
            done = pool.map(run, missing, [data] * len(missing))
        for task, outcome in zip(missing, done, strict=True):
            found[task] = outcome
            if work is not None:
                with work.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([task.place, sorted(task.on), asdict(outcome)]) + "\n")
    return found


def _kept(work: Path | None) -> dict[Task, Outcome]:
    if work is None or not work.is_file():
        return {}
    rows = map(json.loads, work.read_text("utf-8").splitlines())
    return {Task(Place(*place), frozenset(on)): Outcome(**outcome) for place, on, outcome in rows}


def run(task: Task, data: Path | None) -> Outcome:
    """The application with these strategies."""
    world, on = _world(task.place, data), task.on
    with tempfile.TemporaryDirectory() as folder:
        prices = PriceBook.load(find_claude_manifest(world.models_dir))
        stage = Stage(_settings(world, on, Path(folder)), prices, shared_embedder())
        with Rehearsal(stage, began_at=world.traffic[0].at or 0.0) as rehearsal:
            if ROUTING in on:
                rehearsal.cache.import_faq(world.faq)
            if OPTIMISATION in on:
                approve_shorter(rehearsal.cache)
            rehearsal.run(_as_asked(world.traffic, on))
            return _outcome(rehearsal)


def _settings(world: World, on: Collection[str], folder: Path) -> Settings:
    chosen = tuple(name for step in on for name in _STRATEGIES.get(step, ()))
    is_routed = TIERING in on or ROUTING in on
    return Settings(
        data_dir=folder,
        store="local:",
        models_dir=world.models_dir,
        mode=Mode.SEMANTIC if RESPONSES in on or ROUTING in on else Mode.OFF,
        strategies=(*chosen, *(ESCORTS if is_routed else ())),
        namespaces={},
    )


def _as_asked(traffic: Sequence[Recorded], on: Collection[str]) -> Iterator[Recorded]:
    """How the application sends its requests where it counts on these strategies."""
    for each in traffic:
        is_auto = TIERING in on or ROUTING in on
        params = {**each.params, "model": AUTO_MODEL} if is_auto else each.params
        yield replace(
            each,
            params=params,
            task=each.task if TIERING in on else "",
            can_wait=each.can_wait and BATCH in on,
            no_store=RESPONSES not in on,
        )


def _outcome(rehearsal: Rehearsal) -> Outcome:
    found = rehearsal.result()
    tally = found.tally
    by_model = rehearsal.cache.savings(LedgerQuery(by=("outcome", "served"))).groups
    served: Counter[str] = Counter()
    for (outcome, model), count in ((group.key, group.requests) for group in by_model):
        served[model if outcome in ("miss", "bypass") else outcome] += count
    return Outcome(
        tally.requests,
        float(found.savings.total.cost_usd),
        float(found.bill_usd),
        sum(tally.outcomes[kind] for kind in ("exact", "semantic", "faq")),
        tally.judged,
        tally.wrong,
        sum(tally.failed.values()),
        dict(served),
    )


@cache
def _world(place: Place, data: Path | None) -> World:
    return _worlds.enter_context(open_world(read_questions(data), place))
