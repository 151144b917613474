"""Conversations to compress, and what of them is still needed at the end."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workloads import MissingData

from semcache.decision.lexicon import lexicon
from semcache.decision.words import normal, words_of

_SGD = ("sgd_sample/derived/facts.jsonl.gz", "sgd_sample/raw/dev_200_longest.jsonl.gz")
_CAST = "trec_cast/turns_dev.jsonl.gz"
_EARLIER = 3  # conversations before each follow-up
_RECENT = 2  # user turns at the end, in full for every method


@dataclass(frozen=True)
class Turn:
    """One turn of text."""

    is_users: bool
    text: str


@dataclass(frozen=True)
class Case:
    """Old turns that are shortened, recent ones that stay, and what must be found in both together.

    Each need is a set of wordings, folded: any of them will do. `strict` holds every wording as a
    need of its own. `all_stated` are all facts of the old turns, needed or not.
    """

    name: str
    old: tuple[Turn, ...]
    recent: tuple[Turn, ...]
    strict: frozenset[str]
    needs: tuple[frozenset[str], ...]
    all_stated: frozenset[str] = frozenset()


def dialogues(data: Path | None) -> list[Case]:
    """SGD: what stands in the final state of a dialogue and was stated in the old turns."""
    facts, talks = (list(_rows(data, name)) for name in _SGD)
    cases = [_dialogue(talk, known) for talk, known in zip(talks, facts, strict=True)]
    return sorted(cases, key=lambda case: case.name)


def follow_ups(data: Path | None) -> list[Case]:
    """CAsT: the words that a question leaves out and its rewriting puts back, where an old turn holds them.

    The turns of one conversation are too few to be shortened: each stands behind three others, as one session.
    """
    rows = sorted(_rows(data, _CAST), key=_name)
    whole = {_name(row).rpartition("-")[0]: [*row["history"], row["raw"]] for row in rows}
    names = list(whole)
    found = []
    for row in rows:
        at = names.index(_name(row).rpartition("-")[0])
        earlier = [names[at - back] for back in range(_EARLIER, 0, -1)]  # the last ones stand before the first
        case = _follow_up(row, [text for name in earlier for text in whole[name]]) if row["context_dependent"] else None
        found += [case] if case is not None else []
    return found


def _dialogue(talk: dict[str, Any], known: dict[str, Any]) -> Case:
    turns = [Turn(turn["speaker"] == "USER", turn["utterance"]) for turn in talk["turns"]]
    cut = [place for place, turn in enumerate(turns) if turn.is_users][-_RECENT]
    told = " ".join(folded(turn.text) for turn in turns[:cut])
    stated = [fact for fact in known["facts"] if fact["first_turn"] < cut and folded(fact["value"]) in told]
    slots: dict[tuple[str, str], set[str]] = {}
    for fact in stated:
        if fact["in_final_state"]:
            slots.setdefault((fact["service"], fact["slot"]), set()).add(folded(fact["value"]))
    return Case(
        talk["dialogue_id"],
        tuple(turns[:cut]),
        tuple(turns[cut:]),
        frozenset().union(*slots.values()),
        tuple(frozenset(values) for _, values in sorted(slots.items())),
        frozenset(folded(fact["value"]) for fact in stated),
    )


def _follow_up(row: dict[str, Any], earlier: Sequence[str]) -> Case | None:
    own = [Turn(True, text) for text in (*row["history"], row["raw"])]
    old, recent = own[:-_RECENT], own[-_RECENT:]
    near = {word for turn in recent for word in _content(turn.text)}
    far = {word for turn in old for word in _content(turn.text)}
    missing = (_content(row["rewritten"]) - near) & far
    if not missing:
        return None
    needs = tuple(frozenset({word}) for word in sorted(missing))
    before = (*(Turn(True, text) for text in earlier), *old)
    return Case(_name(row), before, tuple(recent), frozenset(missing), needs)


def _name(row: dict[str, Any]) -> str:
    return f"{row['year']}-{int(row['conversation']):03}-{int(row['turn']):02}"


def kept_share(cases: Sequence[tuple[Case, str]], *, is_strict: bool) -> float:
    """Of all needs, how many the kept text of their conversation meets."""
    met = total = 0
    for case, kept in cases:
        text = folded(kept)
        needs = [frozenset({wording}) for wording in case.strict] if is_strict else case.needs
        total += len(needs)
        met += sum(any(_holds(text, wording) for wording in need) for need in needs)
    return met / total if total else 1.0


def folded(text: str) -> str:
    return " ".join(re.sub(r"\s+", " ", text).casefold().split())


def _holds(text: str, wording: str) -> bool:
    """As words of their own, not inside of others: a stem of CAsT as the beginning of a word."""
    return re.search(rf"(?<!\w){re.escape(wording)}", text) is not None


def _content(text: str) -> set[str]:
    words = words_of(normal(text))
    return {stem for word, stem in zip(words.folded, words.stems, strict=True) if word not in lexicon().stop}


def _rows(data: Path | None, name: str) -> Iterator[dict[str, Any]]:
    path = None if data is None else data / name
    if path is None or not path.is_file():
        raise MissingData(f"{name}: not found; say where the datasets are with --data DIR or SEMCACHE_DATA")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
