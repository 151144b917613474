"""Streams through the product: the public library on the real model, store and decision; only Claude is simulated.

After each request what it teaches is waited for, as if judging and audits were done before the next one comes: the
figures are those of a service that keeps up, and the same for every run with one seed.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remembering import FallibleJudge, shared_embedder
from scoring import Trace
from truth import Row, Workload

from semcache import Hit, SemanticCache, Settings
from semcache.assembly import Brought
from semcache.decision.sameness.local import LocalJudge
from semcache.opening import find_models_dir
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.stores.store import Observation, Selection
from semcache.upstream.simulator import Simulator

MODEL = "claude-haiku-5-5"
Watch = Callable[[Row, Row | None], None]  # the row asked, and the row whose answer was served


@dataclass
class Run:
    """What became of a stream: the trace, the audits it cost, and what the cache says of itself."""

    trace: Trace
    audits: int = 0
    error_budget: float = 0.0
    upper_bound: float = 1.0
    caution: str = ""
    labels: list[Observation] = field(default_factory=list)

    @property
    def audit_share(self) -> float:
        """Audits as a share of requests: each costs what a miss costs."""
        return self.audits / max(1, self.trace.requests)


class Replies:
    """What the simulated Claude says: one number for each answer, so that equal and different are beyond doubt."""

    def __init__(self) -> None:
        self.by_text: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def prepare(self, row: Row) -> str:
        """Let Claude answer this row's text as the row says; the answer."""
        reply = row.answer or f"Answer {self._numbers.setdefault(row.reply, 1000 + len(self._numbers))}."
        self.by_text[row.text] = reply
        return reply

    def say(self, body: dict[str, Any]) -> str:
        """The answer to a Messages request of one turn."""
        return self.by_text[body["messages"][-1]["content"]]


def run_stream(
    rows: Sequence[Row],
    workload: Workload,
    *,
    seed: int = 0,
    mistaken: float = 0.0,
    watch: Watch | None = None,
    **options: Any,
) -> Run:
    """Ask each row of a fresh cache. `mistaken`: share of the judge's verdicts turned round; `options` are settings."""
    replies, run = Replies(), Run(Trace())
    with _fresh_cache(replies, seed=seed, mistaken=mistaken, **options) as cache:
        seen: set[str] = set()
        stored_as: dict[str, Row] = {}  # by entry: the row it was stored for, with the truth of that time
        for row in rows:
            replies.prepare(row)
            answer = cache.ask(row.text, model=MODEL)
            lookup = answer.lookup
            served = stored_as.get(lookup.entry.id) if isinstance(lookup, Hit) else None
            if answer.stored is not None:
                stored_as[answer.stored.id] = row
            cache.settle()
            _book(run.trace, row, served, workload, is_repeat=row.text in seen)
            if watch is not None:
                watch(row, served)
            for entry in _audit_entries(cache, stored_as):
                stored_as.setdefault(entry, row)
            seen.add(row.text)
        _note_quality(run, cache)
    return run


def _book(trace: Trace, asked: Row, stored: Row | None, workload: Workload, *, is_repeat: bool) -> None:
    trace.count(is_repeat=is_repeat, asked=asked, stored=stored, judges=(workload.judge, workload.strict_judge))


def _note_quality(run: Run, cache: SemanticCache) -> None:
    quality = cache.quality().overall
    run.audits = sum(row.requests for row in cache.savings().outcomes if row.key == ("audit",))
    run.error_budget, run.caution = quality.error_budget, quality.caution
    run.upper_bound = quality.since_start.upper_bound
    run.labels = cache.parts.assembly.store.observations("label", limit=10_000_000)


def _audit_entries(cache: SemanticCache, known: dict[str, Row]) -> Iterator[str]:
    """Entries that an audit has stored for the row just asked."""
    page = cache.parts.assembly.store.page(Selection(), limit=1)
    return (entry.id for entry in page.entries if entry.id not in known)


@contextmanager
def _fresh_cache(replies: Replies, *, seed: int, mistaken: float, **options: Any) -> Iterator[SemanticCache]:
    prices = PriceBook.load(find_claude_manifest(find_models_dir(Settings())))
    embedder = shared_embedder()
    judge = FallibleJudge(LocalJudge(embedder.embed), mistaken, random.Random(seed))
    brought = Brought(embedder=embedder, judge=judge, randomness=random.Random(seed))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), upstream="simulator", **options)
        simulator = Simulator(prices, answers=replies.say)
        with SemanticCache(settings, upstream=simulator, brought=brought) as cache:
            yield cache
