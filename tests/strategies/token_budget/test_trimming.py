"""Trimming: of long reference text, what the question is not about is left out, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache import SemanticCache, Settings
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Request
from semcache.strategies.token_budget.trimming import trimmed
from semcache.upstream.simulator import Simulator

PRICES = PriceBook.load(find_claude_manifest(None))
MODEL = PRICES.model("claude-sonnet-5-5")
TOPICS = "moss fern oak pine birch rose tulip clover nettle thistle ivy maple".split()


def paragraph(topic: str) -> str:
    return (
        f"The {topic} grows slowly in the shade. " + f"People have long valued the {topic} for its quiet beauty. " * 18
    )


TEXT = "\n\n".join(paragraph(topic) for topic in TOPICS)


def request(content: Any) -> Request:
    body = {"model": "claude-sonnet-5-5", "max_tokens": 99, "messages": [{"role": "user", "content": content}]}
    return Request(body)


def cut(content: Any) -> str | None:
    assert MODEL is not None
    found = trimmed(request(content), MODEL)
    if found is None:
        return None
    said = found.messages[-1]["content"]
    return said if isinstance(said, str) else "\n\n".join(block["text"] for block in said)


def test_what_the_question_is_about_stays_and_what_is_left_out_is_marked() -> None:
    found = cut(f"{TEXT}\n\nWhere does the birch grow?")
    assert found is not None
    assert paragraph("birch") in found
    assert "left out here]" in found
    assert found.endswith("Where does the birch grow?")
    assert 0.4 < len(found) / len(TEXT) < 0.65
    assert found.startswith(paragraph("moss"))


def test_blocks_are_trimmed_like_one_text() -> None:
    found = cut([{"type": "text", "text": TEXT}, {"type": "text", "text": "Where does the birch grow?"}])
    assert found is not None
    assert paragraph("birch") in found
    assert paragraph("nettle") not in found


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param("Please answer in French.", id="an instruction"),
        pytest.param("Which of them is poisonous?", id="a question"),
        pytest.param("Order A-7731 was sent on Monday.", id="an id of the question"),
        pytest.param('{"tree": "none of these"}', id="JSON"),
        pytest.param("    for leaf in tree: fall(leaf)", id="code"),
    ],
)
def test_what_instructs_asks_or_is_named_is_never_left_out(kept: str) -> None:
    parts = [paragraph(topic) for topic in TOPICS]
    found = cut("\n\n".join([*parts[:6], kept, *parts[6:], "Where does the birch of order A-7731 grow?"]))
    assert found is not None
    assert kept in found


@pytest.mark.parametrize("question", ["How much is it in the off season?", "When does it open?", "What is its id?"])
def test_who_asks_for_a_number_or_a_time_keeps_every_paragraph_that_holds_one(question: str) -> None:
    parts = [paragraph(topic) for topic in TOPICS]
    told = "Visitors pay 14 euros, and it opens at 9:30 under licence KX-20."
    found = cut("\n\n".join([*parts[:6], told, *parts[6:], question]))
    assert found is not None
    assert told in found
    assert len(found) < 0.7 * len(TEXT)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{TEXT}\n\nSummarise this.", id="about the whole text"),
        pytest.param(f"{TEXT}\n\nHow many trees are named?", id="counting"),
        pytest.param("The birch is white.\n\nIt is tall.\n\nWhere does it grow?", id="short"),
        pytest.param(f"{TEXT}\n\n{'Where? ' * 400}", id="a question that is none"),
        pytest.param([{"type": "text", "text": TEXT, "cache_control": {"type": "ephemeral"}},
                      {"type": "text", "text": "Where does the birch grow?"}], id="marked by the caller"),
        pytest.param([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": TEXT}},
                      {"type": "text", "text": "Where does the birch grow?"}], id="a document"),
        pytest.param([{"type": "tool_result", "tool_use_id": "t", "content": TEXT}], id="a tool's result"),
    ],
)  # fmt: skip
def test_what_may_not_be_cut_is_sent_whole(content: Any) -> None:
    assert cut(content) is None


@given(st.lists(st.sampled_from([*TOPICS, "17 birches", "code()"]), min_size=4, max_size=40), st.sampled_from(TOPICS))
@settings(max_examples=40, deadline=None)
def test_every_paragraph_that_stays_is_as_it_was_and_in_its_order(topics: list[str], about: str) -> None:
    parts = [paragraph(topic) for topic in topics]
    found = cut("\n\n".join([*parts, f"Where does the {about} grow?"]))
    if found is None:
        return
    rest = iter(parts)
    kept = [each for each in found.split("\n\n")[:-1] if "left out here]" not in each]
    assert all(each in rest for each in kept)
    assert kept[0] == parts[0]
    assert kept[-1] == parts[-1]


# through the library


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., SemanticCache]]:
    caches: list[SemanticCache] = []

    def opening(*strategies: str) -> SemanticCache:
        chosen = Settings(store="memory:", embedder="hashed", data_dir=tmp_path, strategies=strategies)
        caches.append(SemanticCache(chosen, upstream=Simulator(PRICES, clock=clock), clock=clock))
        return caches[-1]

    yield opening
    for cache in caches:
        cache.close()


def test_less_is_sent_and_the_bill_says_what_that_saved(opened: Callable[..., SemanticCache]) -> None:
    cache, plain = opened("trimming"), opened()
    for each in (cache, plain):
        each.ask(f"{TEXT}\n\nWhere does the birch grow?", model="claude-sonnet-5-5", mode="off")
    report = cache.savings()
    assert set(report.total.parts) == {"trimming"}
    assert float(report.total.baseline_usd) == pytest.approx(float(plain.savings().total.cost_usd), rel=0.02)
    assert report.total.cost_usd == cache.parts.upstream.bill_usd


def test_a_text_that_is_asked_about_again_and_again_is_read_from_the_prompt_cache_instead(
    opened: Callable[..., SemanticCache], clock: Clock
) -> None:
    both, trimming = opened("trimming", "prompt_caching"), opened("trimming")
    content = [{"type": "text", "text": f"{TEXT}\n\n{TEXT}"}]
    for n in range(12):
        question = {"type": "text", "text": f"Where does the {TOPICS[n]} grow?"}
        for cache in (both, trimming):
            cache.ask([*content, question], model="claude-sonnet-5-5", mode="off")
        clock.advance(20)
    assert both.parts.upstream.bill_usd <= trimming.parts.upstream.bill_usd
