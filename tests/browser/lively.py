"""A service that has had a day of mixed traffic: something to look at in every part of the dashboard.

`benchmarks/results/dashboard*.png` are the tops of the pictures `wide-light` and `wide-dark` that the tests take of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.worlds import MODELS, World, served, settings, until

from semcache.policy import Namespace
from semcache.pricing import PriceBook
from semcache.samples import sample_answers, sample_faq, sample_questions
from semcache.service.app import create_app
from semcache.upstream.simulator import Simulator, simulator_app

SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"
HOURS = 24
_RULES = "You are the support desk of Fernhill, which sells garden sensors. Answer briefly and kindly. " * 60
_ESSAYS = [
    f"Explain in a few sentences how {thing} works, for a gardener who has never used one."
    for thing in (
        "a drip line",
        "a cold frame",
        "a wormery",
        "a rain barrel",
        "a heat mat",
        "a trellis",
        "a mulch mower",
    )
]
_EXTRACT = "Extract the order number from this mail: Hello, order {} has not arrived. Kind regards, Mo"


@dataclass
class ShiftedClock:
    """Real time, some of it ago."""

    ago_seconds: float = field(default=0.0)

    def __call__(self) -> float:
        return time.time() - self.ago_seconds


@contextmanager
def lively(folder: Path, *, hours: int = HOURS, **changes: Any) -> Iterator[World]:
    """The service after so many hours of questions, most of them asked before in one way or another."""
    clock, rng = ShiftedClock(), random.Random(7)
    simulator = Simulator(PriceBook.load(MODELS / "claude.toml"), answers=sample_answers())
    namespaces = {"shop": Namespace(shared=True, usd_per_day=0.5), "lab": Namespace(tokens_per_day=200_000)}
    given = {
        "audits": True, "usd_per_day": 5.0, "credential_usd_per_day": 1.0, "namespaces": namespaces, **changes
    }  # fmt: skip
    with ExitStack() as stack:
        upstream = stack.enter_context(served(simulator_app(simulator), lifespan="off"))
        chosen = settings(folder, upstream=upstream, **given)
        world = World(chosen, stack.enter_context(served(create_app(chosen, clock=clock))), simulator)
        _import_faq(world)
        for hour in reversed(range(hours)):
            clock.ago_seconds = hour * 3600.0 + (60.0 if hour else 0.0)
            for _ in range(rng.randint(4, 9)):
                _ask_something(world, rng)
        _hand_in_batches(world)
        yield world


def _import_faq(world: World) -> None:
    faq = sample_faq()
    rows = "".join(f"## {each.question}\n{each.answer}\n\n" for each in faq[: len(faq) // 2])
    answer = world.http("POST", "/semcache/v1/import?namespace=shop&tags=faq&format=markdown", content=rows)
    assert answer.json()["added"] > 0, answer.text


def _ask_something(world: World, rng: random.Random) -> None:
    asked = rng.choice([each.question for each in sample_questions()])
    match rng.choices(["shop", "again", "essay", "auto", "system", "bypass"], [8, 5, 3, 3, 3, 1])[0]:
        case "shop":
            world.ask(asked, headers={"x-semcache-namespace": "shop"}, model=SONNET)
        case "again":
            world.ask(rng.choice(_ESSAYS[:3]), model=SONNET, max_tokens=500, headers={"x-semcache-tags": "garden"})
        case "essay":
            world.ask(rng.choice(_ESSAYS), model=SONNET, max_tokens=500, headers={"x-semcache-tags": "garden"})
        case "auto":
            world.ask(_EXTRACT.format(rng.randint(1000, 1400)), model="auto")
        case "system":
            world.ask(asked, system=_RULES, model=SONNET, headers={"x-semcache-namespace": "lab"})
        case "bypass":
            world.ask("Write a new poem about a fern.", temperature=1.0, headers={"cache-control": "no-cache"})


def _hand_in_batches(world: World) -> None:
    """One that ends, and one that will be under way for as long as anybody looks."""
    requests = [
        {"custom_id": f"doc-{n}", "params": {"model": HAIKU, "max_tokens": 100,
         "messages": [{"role": "user", "content": f"Sum up document {n} in one sentence."}]}}
        for n in range(12)
    ]  # fmt: skip
    with world.client() as client:
        client.messages.batches.create(requests=requests)  # type: ignore[arg-type]
        until(lambda: bool(world.http("GET", "/semcache/v1/batches").json()["batches"]))
