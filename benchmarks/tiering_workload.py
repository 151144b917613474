"""A workload of six kinds of work and of plain questions, in words of our own; nothing in it is any customer's."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KINDS = ("classification", "extraction", "summarisation", "analysis", "code", "reasoning", "question")
BY_VOLUME = dict(zip(KINDS, (0.35, 0.25, 0.15, 0.06, 0.06, 0.05, 0.08), strict=True))
"""Of requests: sorting and reading out run once for every mail, ticket and invoice; people ask for the rest by hand."""
EQUAL = dict.fromkeys(KINDS, 1 / len(KINDS))
"""As many of each: most of the money then goes on long answers, which a small model is not trusted with unproven."""
# Tokens of an answer: median, by kind. Of the text that the request carries: words.
_ANSWER_TOKENS = {
    "classification": 8, "extraction": 120, "summarisation": 220, "analysis": 700, "code": 600, "reasoning": 500,
    "question": 160,
}  # fmt: skip
_TEXT_WORDS = {"classification": 60, "extraction": 300, "summarisation": 3_000, "analysis": 700, "code": 250}
_SUBJECTS = "the courier|our supplier|the hotel|a tenant|the clinic|the workshop|the harbour office|a reader".split("|")
_DEEDS = (
    "sent the wrong parts|asked for a refund|moved the appointment|praised the service|lost the parcel|"
    "raised the price|returned the keys|found a leak|ordered forty chairs|cancelled the tour"
).split("|")
_WHEN = "on Monday|last week|at noon|in early spring|twice this month|before the holidays|after a long delay".split("|")
_INSTRUCTIONS = {
    "classification": (
        "Classify the message below as praise, complaint or request. Reply with the label only.",
        "Which department should handle this: billing, shipping or repairs? Answer with one word.",
        "Label the note below as urgent or not urgent.",
    ),
    "extraction": (
        "Extract every date and every item that was ordered from the notes below, as JSON.",
        "List all the people and places mentioned in the text below.",
        "Pull out the amounts and what they were for.",
    ),
    "summarisation": (
        "Summarise the report below in five sentences.",
        "Give me a short summary of the following minutes.",
        "What are the key points of the text below?",
    ),
    "analysis": (
        "Analyse why the complaints below have grown, and recommend what to change first.",
        "Compare the two proposals below and discuss the risks of each.",
        "Evaluate the plan below: what are its trade-offs, and what is missing?",
    ),
    "code": (
        "Write a Python function that reads the log format below and returns the slowest ten requests.",
        "Refactor the script described below into a class with unit tests.",
        "Implement the scheduler described below in Rust, with a test for each rule.",
    ),
    "reasoning": (
        "Prove that a tree with n nodes has n - 1 edges.",
        "Solve for x and y: 3x + 2y = 26 and x - y = {number}. Show each step.",
        "How many ways are there to seat {number} guests at a round table? Calculate it step by step.",
    ),
}
_QUESTIONS = (
    "What is the difference between a {one} and a {other}?",
    "Why does a {one} need a {other}?",
    "How long does a {one} last beside a {other}?",
)
_THINGS = "kettle|turbine|ledger|lighthouse|compost heap|violin|bridge|glacier|loom|printing press|canal|beehive".split(
    "|"
)


@dataclass(frozen=True)
class Work:
    """One request. `answer_tokens` is how long its answer is, whoever writes it; `right` what is recorded of it."""

    kind: str
    prompt: str
    answer_tokens: int
    right: tuple[bool, bool] | None = None  # the weaker model's answer, and the stronger one's


@dataclass(frozen=True)
class Recording:
    """A question with a recorded answer of a weak and of a strong model, each right or wrong."""

    prompt: str
    weak_right: bool
    strong_right: bool


def mixed_workload(count: int, *, seed: int, shares: Mapping[str, float], recorded: Sequence[Recording]) -> list[Work]:
    """In these proportions of requests, shuffled; plain questions are recorded ones where there are any."""
    chance = random.Random(seed)
    questions = chance.sample(recorded, min(len(recorded), round(shares["question"] * count)))
    works = [_work(kind, chance) for kind, share in shares.items() for _ in range(round(share * count))]
    plain = [place for place, work in enumerate(works) if work.kind == "question"]
    for place, known in zip(plain, questions, strict=False):
        works[place] = Work(
            "question", known.prompt, works[place].answer_tokens, (known.weak_right, known.strong_right)
        )
    chance.shuffle(works)
    return works


def _work(kind: str, chance: random.Random) -> Work:
    tokens = max(2, round(chance.lognormvariate(0, 0.4) * _ANSWER_TOKENS[kind]))
    if kind == "question":
        one, other = chance.sample(_THINGS, 2)
        return Work(kind, chance.choice(_QUESTIONS).format(one=one, other=other), tokens)
    prompt = chance.choice(_INSTRUCTIONS[kind]).format(number=chance.randint(5, 40))
    words = round(chance.lognormvariate(0, 0.4) * _TEXT_WORDS.get(kind, 0))
    return Work(kind, f"{prompt}\n\n{_text(words, chance)}".strip(), tokens)


def _text(words: int, chance: random.Random) -> str:
    sentences: list[str] = []
    while sum(len(sentence.split()) for sentence in sentences) < words:
        subject, deed, when = chance.choice(_SUBJECTS), chance.choice(_DEEDS), chance.choice(_WHEN)
        sentences.append(f"{subject[0].upper()}{subject[1:]} {deed} {when}, note {chance.randint(100, 999)}.")
    return " ".join(sentences)
