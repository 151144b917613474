"""Three days of a typical production application, in words of our own but for the help desk's questions.

Shares of requests are those of an application with a help desk in front: most of what people ask is a known question,
some of it grows into a conversation, documents are asked about while they are open, and programs sort and read mail in
the background. They are our judgement, and decide the result: see README, "Combined impact".

    faq             45 %  one question, other words each time, popularity falling with rank (Zipf, exponent 1)
    support         22 %  conversations of 3 to 12 turns behind a system prompt of 3,000 tokens
    documents        8 %  questions about references of 10,000 tokens, a handful to each while it is open
    classification  11 %  one label for a message of 150 tokens, behind instructions of 700
    extraction       5 %  dates and amounts of a letter of 600 tokens, as JSON, behind instructions of 900
    analysis, code   3 %  long answers
    nightly jobs     6 %  a summary of a document of 2,500 tokens each, at three in the morning
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semcache.message import text_message
from semcache.request import Json
from semcache.traffic.recorded import Recorded

LARGE = "claude-opus-5-5"
START, DAYS, DAY_SECONDS = 1_795_392_000.0, 3, 86_400.0  # from 2026-11-23
SHARES = {"faq": 0.45, "support": 0.22, "documents": 0.08, "classification": 0.11, "extraction": 0.05,
          "analysis": 0.015, "code": 0.015, "nightly": 0.06}  # fmt: skip
# Tokens of an answer (median); what its author allows.
_ANSWERS = {"faq": 150, "support": 170, "documents": 220, "classification": 8, "extraction": 130, "analysis": 800,
            "code": 900, "nightly": 260}  # fmt: skip
_ALLOWED = 4_000
_WORDS = (
    "harbour ledger valve orchard signal bridge lantern copper timber river garden window engine market station letter "
    "winter summer carpet kettle ladder mirror needle pocket ribbon saddle tunnel velvet wagon anchor barrel canvas "
    "basket candle dinner feather ginger hammer island jacket kitten lemon meadow napkin oyster pepper quarry rocket"
).split()
_TASKS = {"classification": "classification", "extraction": "extraction", "analysis": "analysis", "code": "code",
          "nightly": "summarisation"}  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A question of the help desk, the wordings it is asked in, and what its answer is known by."""

    truth: str
    wordings: tuple[str, ...]


@dataclass(frozen=True)
class Prompts:
    """The system prompts of the application, by kind of work."""

    texts: Mapping[str, str]


def application(count: int, questions: Sequence[Question], prompts: Prompts, *, seed: int) -> list[Recorded]:
    """About so many requests in the order of their time."""
    chance = random.Random(seed)
    makers: dict[str, Callable[[int], Iterator[Recorded]]] = {
        "faq": lambda wanted: _help_desk(wanted, questions, prompts, chance),
        "support": lambda wanted: _conversations(wanted, prompts, chance),
        "documents": lambda wanted: _documents(wanted, prompts, chance),
    }
    found: list[Recorded] = []
    for kind, share in SHARES.items():
        wanted = round(share * count)
        found += list(makers[kind](wanted)) if kind in makers else list(_jobs(kind, wanted, prompts, chance))
    return sorted(found, key=lambda each: each.at or 0.0)


def kind_of(recorded: Recorded) -> str:
    """The kind of work, kept in its tag."""
    return recorded.tags[0]


def _help_desk(
    wanted: int, questions: Sequence[Question], prompts: Prompts, chance: random.Random
) -> Iterator[Recorded]:
    ranked = chance.sample(questions, len(questions))
    weights = [1 / (rank + 1) for rank in range(len(ranked))]
    for question in chance.choices(ranked, weights, k=wanted):
        body = _body("faq", [_user(chance.choice(question.wordings))], prompts)
        answer = _answer("faq", question.truth, random.Random(question.truth))
        yield Recorded(body, _by_day(chance), answer, tags=("faq",), truth=question.truth)


def _conversations(wanted: int, prompts: Prompts, chance: random.Random) -> Iterator[Recorded]:
    """Nobody else's conversation: what memory may answer here is only the same turn sent again."""
    made = talk = 0
    while made < wanted:
        now, turns, talk = _by_day(chance), [], talk + 1
        for turn in range(min(wanted - made, chance.randint(3, 12))):
            turns = [*turns, _user(f"My order {talk}{turn:02}: {_text(45, chance)}")]
            answer = _answer("support", f"talk-{talk}-{turn}", chance)
            yield Recorded(_body("support", turns, prompts), now, answer, tags=("support",), truth=f"{talk}-{turn}")
            turns, made = [*turns, {"role": "assistant", "content": answer.text}], made + 1
            now += chance.lognormvariate(0, 0.8) * 70


def _documents(wanted: int, prompts: Prompts, chance: random.Random) -> Iterator[Recorded]:
    made = number = 0
    while made < wanted:
        now, number = _by_day(chance), number + 1
        document = "\n\n".join(_text(200, chance) for _ in range(50))
        for place in range(min(wanted - made, 2 + min(10, int(chance.expovariate(0.25))))):
            content = [
                {"type": "text", "text": document},
                {"type": "text", "text": f"What of item {place}: {_text(15, chance)}?"},
            ]
            truth = f"document-{number}-{place}"
            body = _body("documents", [{"role": "user", "content": content}], prompts)
            yield Recorded(body, now, _answer("documents", truth, chance), tags=("documents",), truth=truth)
            made += 1
            now += chance.lognormvariate(0, 0.9) * 120


def _jobs(kind: str, wanted: int, prompts: Prompts, chance: random.Random) -> Iterator[Recorded]:
    sizes = {"classification": 150, "extraction": 600, "analysis": 1_200, "code": 500, "nightly": 2_500}
    asked = {
        "classification": "Classify the message below. Reply with the label only.",
        "extraction": "Extract every date and every amount from the letter below, as JSON.",
        "analysis": "Analyse the report below: what changed, why, and what to do first?",
        "code": "Write a Python module with unit tests for what is described below.",
        "nightly": "Summarise the document below in five sentences.",
    }
    for number in range(wanted):
        at = START + chance.randrange(DAYS) * DAY_SECONDS + 10_800 + number if kind == "nightly" else _by_day(chance)
        body = _body(kind, [_user(f"{asked[kind]}\n\nNumber {number}. {_text(sizes[kind], chance)}")], prompts)
        truth = f"{kind}-{number}"
        answer = _answer(kind, truth, chance)
        yield Recorded(body, at, answer, task=_TASKS[kind], tags=(kind,), can_wait=kind == "nightly", truth=truth)


def _body(kind: str, turns: list[Json], prompts: Prompts) -> Json:
    system = prompts.texts.get(kind)
    known: dict[str, Any] = {} if system is None else {"system": system}
    return {"model": LARGE, "max_tokens": _ALLOWED, **known, "messages": turns}


def _user(text: str) -> Json:
    return {"role": "user", "content": text}


def _answer(kind: str, truth: str, chance: random.Random) -> Any:
    """Equal for two requests exactly where one answer serves both: it begins with a number of its own."""
    tokens = max(4, round(_ANSWERS[kind] * chance.lognormvariate(0, 0.35)))
    number = random.Random(truth).randrange(10**9)
    said = f"Note {number}. {_text(tokens, chance)}"
    usage = {"input_tokens": 0, "output_tokens": tokens}
    return text_message(said, model=LARGE, message_id=f"msg_{number}", usage=usage)


def _by_day(chance: random.Random) -> float:
    """Some time in working hours."""
    return START + chance.randrange(DAYS) * DAY_SECONDS + min(75_000.0, max(25_000.0, chance.gauss(48_000, 11_000)))


def _text(tokens: int, chance: random.Random) -> str:
    """About so many tokens of today's tokenizer, in sentences, different each time."""
    words = [chance.choice(_WORDS) for _ in range(max(1, round(tokens * 0.46)))]
    return ". ".join(" ".join(words[start : start + 11]).capitalize() for start in range(0, len(words), 11)) + "."
