"""The project's own sample FAQ: paraphrases that should hit, and traps that must not."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from reporting import Bar, report
from scoring import percent

from semcache import Hit, SemanticCache, Settings
from semcache.samples import sample_faq, sample_questions


def sample_figures() -> dict[str, Any]:
    """Import the sample FAQ, look every sample question up, and count by kind."""
    asked, served, wrong = Counter[str](), Counter[str](), Counter[str]()
    answers = {entry.id: entry.answer for entry in sample_faq()}
    with tempfile.TemporaryDirectory() as folder:
        faq = Path(folder) / "faq.jsonl"
        faq.write_bytes(_faq_lines())
        with SemanticCache(Settings(data_dir=Path(folder), upstream="simulator")) as cache:
            cache.import_faq(faq)
            for question in sample_questions():
                lookup = cache.lookup(question.question)
                asked[question.kind] += 1
                if isinstance(lookup, Hit):
                    served[question.kind] += 1
                    wrong[question.kind] += lookup.entry.message.text != answers.get(question.entry or "")
    figures = {kind: {"asked": asked[kind], "served": served[kind], "wrong": wrong[kind]} for kind in sorted(asked)}
    traps = sum(served[kind] for kind in asked if kind.startswith("trap-"))
    bars = [Bar("traps served", float(traps), 0.0, at_most=True)]
    figures["all"] = {"asked": asked.total(), "served": served.total(), "wrong": wrong.total()}
    figures["paraphrases accepted, %"] = {"served": percent(served["paraphrase"], asked["paraphrase"])}
    return report("hit_quality", figures, bars, settings={"dataset": "sample"})


def _faq_lines() -> bytes:
    from semcache.request import encode_json

    rows = ({"question": each.question, "answer": each.answer, "tags": list(each.tags)} for each in sample_faq())
    return b"\n".join(encode_json(row) for row in rows)
