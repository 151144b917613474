"""What is told of an examination: figures as JSON, and the difference of a version as a diff."""

from __future__ import annotations

import difflib
import textwrap
from typing import Any

from semcache.optimizing.costliest import title_of, tokens_on
from semcache.optimizing.drafts import Draft
from semcache.optimizing.examining import Examination, Examined
from semcache.optimizing.trying import Agreement, Tried
from semcache.request import Json
from semcache.strategies.approved_prompts import Approved, Sides, prompt_hash

_DIFF_WIDTH = 110


def examination_view(examination: Examination, drafts: list[Draft]) -> dict[str, Any]:
    """One prompt with its versions; `drafts` are these versions as they were kept, in the same order."""
    prompt, model = examination.prompt, examination.model
    before = tokens_on(prompt.text, model)
    volume = prompt.volume
    return {
        "prompt": prompt_hash(prompt.text),
        "title": title_of(prompt.text),
        "tokens": before,
        "instructions": examination.instructions,
        "requests_tried": len(prompt.requests),
        "problem": examination.problem or None,
        "volume": None
        if volume is None
        else {"requests_per_month": volume.requests_per_month, "source": volume.source},
        "versions": [
            {
                "hash": draft.version.id,
                "tokens": tokens_on(version.text, model),
                "tokens_saved": before - tokens_on(version.text, model),
                "saved_usd_per_month": _saving(examination, version),
                **agreement_view(version.tried),
                "objections": list(version.objections),
                "text": version.text,
                "diff": diff_of(prompt.text, version.text),
            }
            for version, draft in zip(examination.versions, drafts, strict=True)
        ],
    }


def drafts_of(examination: Examination, *, now: float, control_share: float) -> list[Draft]:
    """The versions as they would be approved; the questions that were asked are not kept."""
    prompt, model = examination.prompt, examination.model
    return [
        Draft(
            Approved(
                prompt_hash(prompt.text),
                version.text,
                now,
                tokens_on(prompt.text, model),
                tokens_on(version.text, model),
                control_share,
                {name: value for name, value in agreement_view(version.tried).items() if name != "differing"},
            ),
            version.objections,
            title_of(prompt.text),
        )
        for version in examination.versions
    ]


def agreement_view(tried: Tried | None) -> Json:
    """With the 95 % intervals; null where nothing was tried, or nothing decided."""
    if tried is None:
        return {"agreement": None, "control": None}
    return {
        "agreement": _agreement(tried.version),
        "control": _agreement(tried.control),
        "failed": tried.failed,
        "output_tokens_before": tried.output_tokens_before,
        "output_tokens_after": tried.output_tokens_after,
        "differing": list(tried.differing),
    }


def approved_view(version: Approved, sides: Sides) -> Json:
    """A version in use, or once in use."""
    return {
        "hash": version.id,
        "prompt": version.original,
        "state": "in use" if version.reverted_at is None else "reverted",
        "tokens_before": version.tokens_before,
        "tokens_after": version.tokens_after,
        "control_share": version.control_share,
        "approved_at": version.approved_at,
        "reverted_at": version.reverted_at,
        "tried": {name: version.agreement.get(name) for name in ("agreement", "control")},
        "served": sides.view(version.id),
    }


def draft_view(draft: Draft) -> Json:
    """A version that waits for approval."""
    version = draft.version
    return {
        "hash": version.id,
        "prompt": version.original,
        "title": draft.title,
        "state": "examined",
        "tokens_before": version.tokens_before,
        "tokens_after": version.tokens_after,
        "objections": list(draft.objections),
        "tried": {name: version.agreement.get(name) for name in ("agreement", "control")},
    }


def diff_of(before: str, after: str) -> str:
    """A unified diff; long paragraphs are broken into lines, so that it can be read."""
    lines = difflib.unified_diff(_broken(before), _broken(after), "original", "version", lineterm="", n=1)
    return "\n".join(lines)


def _saving(examination: Examination, version: Examined) -> float | None:
    """Volumes count tokens as the older tokenizer does, and their price makes that good."""
    volume = examination.prompt.volume
    if volume is None:
        return None
    saved = tokens_on(examination.prompt.text, None) - tokens_on(version.text, None)
    return round(volume.monthly_usd(saved), 4)


def _agreement(found: Agreement) -> Json:
    interval = found.interval
    return {
        "same": found.same,
        "different": found.different,
        "undecided": found.undecided,
        "share": found.share,
        "interval": None if interval is None else [round(bound, 4) for bound in interval],
    }


def _broken(text: str) -> list[str]:
    return [part for line in text.strip().splitlines() for part in (textwrap.wrap(line, _DIFF_WIDTH) or [""])]
