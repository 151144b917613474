"""A service with an office of batches in front of a simulator that works fast, over real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import httpx2
from service.worlds import MODEL, MODELS, Place, served, settings, until

from semcache.batches.rules import Rules
from semcache.batching.recovery import Patience
from semcache.pricing import PriceBook
from semcache.service.app import app_around
from semcache.service.parts import open_parts
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator, simulator_app

PATH = "/v1/messages/batches"
QUICK = Rules(
    first_rest_seconds=0.02, rest_growth=1.3, longest_rest_seconds=0.2, watch_seconds=0.2,
    patience=Patience(skew_seconds=2.0, arrival_seconds=0.5),
)  # fmt: skip


@dataclass
class BatchWorld(Place):
    """A service, the simulator behind it, and how to speak with both about batches."""

    simulator: Simulator
    upstream_url: str
    clock: Clock

    def ended(self, batch_id: str, *, seconds: float = 20.0, **who: Any) -> anthropic.types.messages.MessageBatch:
        with self.client(**who) as client:
            until(lambda: client.messages.batches.retrieve(batch_id).processing_status == "ended", seconds=seconds)
            return client.messages.batches.retrieve(batch_id)

    def results(self, batch_id: str) -> dict[str, dict[str, Any]]:
        lines = self.http("GET", f"{PATH}/{batch_id}/results").text.splitlines()
        found = {line["custom_id"]: line["result"] for line in map(json.loads, lines)}
        assert len(found) == len(lines)
        return found

    def finished(self, requests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The results of a batch that has had its time."""
        with self.client() as client:
            batch = client.messages.batches.create(requests=requests)
        self.ended(batch.id)
        return self.results(batch.id)

    def sent(self) -> list[dict[str, Any]]:
        """Every request in every batch that reached the simulator."""
        return [dict(each) for batch in self.simulator.batches for each in batch.requests]

    def questions_sent(self) -> list[str]:
        return [each["params"]["messages"][-1]["content"] for each in self.sent()]


@dataclass
class Clock:
    """Real time, and what a test has skipped of it."""

    skipped: float = field(default=0.0)

    def __call__(self) -> float:
        return time.time() + self.skipped


def params(text: str = "Why?", **changes: Any) -> dict[str, Any]:
    asked = {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": text}], **changes}
    return {name: value for name, value in asked.items() if value is not None}


def item(custom_id: str, text: str = "Why?", **changes: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "params": params(text, **changes)}


# Questions with nothing in common: no answer of one may be served to another.
TOPICS = (
    "What is the boiling point of water on a high mountain?", "Who painted the ceiling of the old chapel?",
    "How do I prune a pear tree?", "Why do cats purr?", "Which metal is liquid in a warm room?",
    "How is paper made from wood?", "What does a conductor do with the left hand?", "When was the first railway built?",
    "How deep is the deepest lake?", "Why is the sky red at dusk?", "What holds a suspension bridge up?",
    "How do bees find their way home?",
)  # fmt: skip


def items(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [item(f"id-{n}", TOPICS[n], **changes) for n in range(count)]


def text_of(result: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in result["message"]["content"])


@contextmanager
def batch_world(
    folder: Path,
    *,
    conduct: BatchConduct | None = None,
    rules: Rules = QUICK,
    answer: Callable[[dict[str, Any]], str] | None = None,
    **changes: Any,
) -> Iterator[BatchWorld]:
    book, clock = PriceBook.load(MODELS / "claude.toml"), Clock()
    quick = conduct or BatchConduct(seconds=0.1, cancel_seconds=0.1)
    said = {} if answer is None else {"answers": answer}
    simulator = Simulator(book, conduct=Conduct(batches=quick), clock=clock, **said)
    with served(simulator_app(simulator)) as upstream_url:
        named = settings(folder, **{"upstream": upstream_url, "embedder": "hashed", **changes})
        app = app_around(lambda: open_parts(named, clock=clock), batch_rules=rules)
        with served(app) as url:
            yield BatchWorld(named, url, simulator, upstream_url, clock)


def raw_create(url: str, requests: list[dict[str, Any]], **headers: str) -> httpx2.Response:
    given = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21", **headers}
    return httpx2.post(f"{url}{PATH}", json={"requests": requests}, headers=given, timeout=30, trust_env=False)
