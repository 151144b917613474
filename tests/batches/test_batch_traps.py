"""Questions that look alike and must never share an answer, side by side in one batch."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from batches.batch_worlds import item, text_of
from service.worlds import HAS_MODEL, MODELS

from semcache import SemanticCache, Settings
from semcache.entry import Hit

TRAPS = Path(__file__).resolve().parents[2] / "benchmarks" / "never_merge"
FAMILIES = ("numbers", "ids", "dates", "negation", "entities")
EMBEDDER, ERROR_BUDGET = "all-MiniLM-L6-v2", 0.01
MOST_SHARED = 0.02  # of nothing but traps: as few as in real time
ANSWER = "The answer to: "
SONNET = "claude-sonnet-5-5"


def pairs(family: str) -> list[tuple[str, str]]:
    rows = map(json.loads, (TRAPS / f"{family}.jsonl").read_text("utf-8").splitlines())
    return [(row["question"], row["trap"]) for row in rows]


def asked_of(families: tuple[str, ...]) -> list[str]:
    questions = list(dict.fromkeys(text for family in families for pair in pairs(family) for text in pair))
    random.Random(1).shuffle(questions)
    return questions


def named(body: dict[str, Any]) -> str:
    """An answer that tells which question it was given to."""
    return f"{ANSWER}{body['messages'][-1]['content']}"


@pytest.mark.slow
@pytest.mark.skipif(not HAS_MODEL, reason="the embedding model is not built")
def test_a_request_shares_only_an_answer_that_it_would_be_served_in_real_time(open_world, tmp_path):
    world = open_world(embedder=EMBEDDER, error_budget=ERROR_BUDGET, answer=named)
    questions = asked_of(FAMILIES)
    with world.client() as client:
        batch = client.messages.batches.create(
            requests=[item(f"id-{n}", text, model=SONNET) for n, text in enumerate(questions)]
        )
    world.ended(batch.id, seconds=120)
    results = world.results(batch.id)
    answered_by = {text: text_of(results[f"id-{n}"]).removeprefix(ANSWER) for n, text in enumerate(questions)}
    shared = {text: twin for text, twin in answered_by.items() if text != twin}
    assert len(world.sent()) == len(questions) - len(shared)
    assert len(shared) <= MOST_SHARED * len(questions), shared
    alone = {"embedder": EMBEDDER, "error_budget": ERROR_BUDGET, "models_dir": MODELS, "upstream": "simulator"}
    for number, (text, twin) in enumerate(shared.items()):
        with SemanticCache(Settings(**alone, audits=False, data_dir=tmp_path / str(number))) as cache:
            cache.put(twin, "What is known.", model=SONNET, max_tokens=200)
            assert isinstance(cache.lookup(text, model=SONNET, max_tokens=200), Hit), (text, twin)
