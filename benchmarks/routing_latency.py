"""What the routing step adds to a request."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from remembering import shared_embedder
from train_router import read_rows

from semcache import SemanticCache, Settings
from semcache.drivers import begin
from semcache.exchange import send_upstream
from semcache.request import Request


def latency(data: Path | None, *, most: int = 2000) -> dict[str, Any]:
    """What the whole step adds to a request for `auto`, with the vector at hand, until its call is on its way."""
    texts = [str(row["prompt"]) for row in read_rows(data, "mmlu")[:: max(1, 9000 // most)]]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), store="memory:", upstream="simulator", audits=False)
        with SemanticCache(settings) as cache:
            asked = [cache.parts.request(text, model="auto") for text in texts]
            cases = [
                replace(request, vector=shared_embedder().embed(text).vector)
                for request, text in zip(asked, texts, strict=True)
            ]
            step = cache.parts.assembly.routing.step
            with_it = _timed(lambda request: begin(step(request, send_upstream)), cases)
            without = _timed(lambda request: begin(send_upstream(request)), cases)
    added = [one - other for one, other in zip(with_it, without, strict=True)]
    cuts = statistics.quantiles(added, n=100)
    return {"p50_ms": round(cuts[49], 4), "p95_ms": round(cuts[94], 4), "judged": len(added)}


def _timed(act: Callable[[Request], object], cases: Sequence[Request]) -> list[float]:
    """Milliseconds of each."""
    taken = []
    for request in cases:
        started = time.perf_counter()
        act(request)
        taken.append(1000 * (time.perf_counter() - started))
    return taken
