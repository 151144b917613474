"""A slice of a typical production application, in words of our own but for the help desk's questions.

Its proportions decide the result, so they are stated here, with their grounds, and varied in `VARIANTS`:

    faq             45 %  one question, other words each time, popularity falling with rank (Zipf, exponent 1)
    support         22 %  conversations of 3 to 12 turns behind a system prompt of 3,000 tokens
    documents        8 %  questions about references of 10,000 tokens, a handful to each while it is open
    classification  11 %  one label for a message of 150 tokens, behind instructions
    extraction       5 %  dates and amounts of a letter of 600 tokens, as JSON, behind instructions
    analysis, code   3 %  long answers
    nightly jobs     6 %  a summary of a document of 2,500 tokens each, asked for at three in the morning

The kinds of work and the sizes of system prompt and references are the issue's. That most requests of an application
with a help desk are known questions in other words is what FAQ and support traffic shows (one production log: 18 %
exact and 47 % similar repeats; 31 % in another set of users, MeanCache, arXiv 2403.02694; open chat has 4.5 to 7.5 %,
SCALM, arXiv 2406.00025). The shares themselves, turns, pauses and lengths of answers are assumptions.

How dense the traffic is decides what a prompt cache of five minutes can hold. It follows from the base of 25,000
dollars a month: at 1.45 cents a request, unassisted, that is 2,400 requests an hour, day and night alike; at the prices
of the table, 5.5 cents a request, 630.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from semcache.message import text_message
from semcache.request import Json
from semcache.traffic.recorded import Recorded

LARGE, MIDDLE = "claude-opus-5-5", "claude-sonnet-5-5"
START = 1_795_435_200.0  # 2026-11-23, noon
NIGHT_SECONDS = 9 * 3600.0  # before: the jobs of the night
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
class Mix:
    """What an application does, how much of it, and how its authors call Claude without assistance."""

    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    never_repeated: float = 0.0  # of the help desk's questions
    density: float = 1.0  # times the requests an hour that the base bill stands for
    model: str = LARGE  # for everything, unassisted
    marks_itself: bool = False  # uses Claude's automatic prompt caching already
    can_wait: bool = True  # whether the jobs of the night may go in batches


VARIANTS: Mapping[str, Mix] = {
    "as described": Mix(),
    "half the repeats": Mix(never_repeated=0.5),
    "half the conversations": Mix({**SHARES, "support": 0.11}),
    "a tenth of the traffic": Mix(density=0.1),
    "nothing can wait": Mix(can_wait=False),
    "unassisted on Sonnet 5.5": Mix(model=MIDDLE),
    "unassisted with automatic prompt caching": Mix(marks_itself=True),
}


@dataclass(frozen=True)
class Question:
    """A question of the help desk, the wordings it is asked in, and what its answer is known by."""

    truth: str
    wordings: tuple[str, ...]


@dataclass(frozen=True)
class Prompts:
    """The system prompts of the application, by kind of work."""

    texts: Mapping[str, str]


def application(
    count: int, questions: Sequence[Question], prompts: Prompts, *, mix: Mix, per_hour: float, seed: int
) -> list[Recorded]:
    """About so many requests in the order of their time; `per_hour` at a density of 1."""
    maker = _Maker(prompts, mix, count / (per_hour * mix.density) * 3600, random.Random(seed))
    makers: dict[str, Callable[[int], Iterator[Recorded]]] = {
        "faq": lambda wanted: maker.help_desk(wanted, questions),
        "support": maker.conversations,
        "documents": maker.documents,
    }
    found: list[Recorded] = []
    for kind, share in mix.shares.items():
        wanted = round(share * count)
        found += list(makers[kind](wanted)) if kind in makers else list(maker.jobs(kind, wanted))
    return sorted(found, key=lambda each: each.at or 0.0)


def kind_of(recorded: Recorded) -> str:
    """The kind of work, kept in its tag."""
    return recorded.tags[0]


@dataclass(frozen=True)
class _Maker:
    """Makes the requests of each kind of work, over so many seconds."""

    prompts: Prompts
    mix: Mix
    seconds: float
    chance: random.Random

    def help_desk(self, wanted: int, questions: Sequence[Question]) -> Iterator[Recorded]:
        chance = self.chance
        ranked = chance.sample(questions, len(questions))
        weights = [1 / (rank + 1) for rank in range(len(ranked))]
        for number, question in enumerate(chance.choices(ranked, weights, k=wanted)):
            if chance.random() < self.mix.never_repeated:
                truth, text = f"once-{number}", f"{_text(14, chance)[:-1]}?"
            else:
                truth, text = question.truth, chance.choice(question.wordings)
            answer = _answer("faq", truth, random.Random(truth))
            yield Recorded(self._body("faq", [_user(text)]), self._sometime(), answer, tags=("faq",), truth=truth)

    def conversations(self, wanted: int) -> Iterator[Recorded]:
        """Nobody else's conversation: what memory may answer here is only the same turn sent again."""
        chance, made, talk = self.chance, 0, 0
        while made < wanted:
            now, turns, talk = self._sometime(), [], talk + 1
            for turn in range(min(wanted - made, chance.randint(3, 12))):
                turns = [*turns, _user(f"My order {talk}{turn:02}: {_text(45, chance)}")]
                answer = _answer("support", f"talk-{talk}-{turn}", chance)
                yield Recorded(
                    self._body("support", turns), now, answer, tags=("support",), truth=f"talk-{talk}-{turn}"
                )
                turns, made = [*turns, {"role": "assistant", "content": answer.text}], made + 1
                now += chance.lognormvariate(0, 0.8) * 70

    def documents(self, wanted: int) -> Iterator[Recorded]:
        chance, made, number = self.chance, 0, 0
        while made < wanted:
            now, number = self._sometime(), number + 1
            document = "\n\n".join(_text(200, chance) for _ in range(50))
            for place in range(min(wanted - made, 2 + min(10, int(chance.expovariate(0.25))))):
                content = [
                    {"type": "text", "text": document},
                    {"type": "text", "text": f"What of item {place}: {_text(15, chance)}?"},
                ]
                truth = f"document-{number}-{place}"
                body = self._body("documents", [{"role": "user", "content": content}])
                yield Recorded(body, now, _answer("documents", truth, chance), tags=("documents",), truth=truth)
                made += 1
                now += chance.lognormvariate(0, 0.9) * 120

    def jobs(self, kind: str, wanted: int) -> Iterator[Recorded]:
        sizes = {"classification": 150, "extraction": 600, "analysis": 1_200, "code": 500, "nightly": 2_500}
        asked = {
            "classification": "Classify the message below. Reply with the label only.",
            "extraction": "Extract every date and every amount from the letter below, as JSON.",
            "analysis": "Analyse the report below: what changed, why, and what to do first?",
            "code": "Write a Python module with unit tests for what is described below.",
            "nightly": "Summarise the document below in five sentences.",
        }
        for number in range(wanted):
            is_nightly = kind == "nightly"
            at = START - NIGHT_SECONDS + number if is_nightly else self._sometime()
            body = self._body(kind, [_user(f"{asked[kind]}\n\nNumber {number}. {_text(sizes[kind], self.chance)}")])
            truth = f"{kind}-{number}"
            yield Recorded(
                body,
                at,
                _answer(kind, truth, self.chance),
                task=_TASKS[kind],
                tags=(kind,),
                can_wait=is_nightly and self.mix.can_wait,
                truth=truth,
            )

    def _body(self, kind: str, turns: list[Json]) -> Json:
        system = self.prompts.texts.get(kind)
        known: dict[str, Any] = {} if system is None else {"system": system}
        if self.mix.marks_itself:
            known["cache_control"] = {"type": "ephemeral"}
        return {"model": self.mix.model, "max_tokens": _ALLOWED, **known, "messages": turns}

    def _sometime(self) -> float:
        return START + self.chance.random() * self.seconds


def _user(text: str) -> Json:
    return {"role": "user", "content": text}


def _answer(kind: str, truth: str, chance: random.Random) -> Any:
    """Equal for two requests exactly where one answer serves both: it begins with a number of its own."""
    tokens = max(4, round(_ANSWERS[kind] * chance.lognormvariate(0, 0.35)))
    number = random.Random(truth).randrange(10**9)
    said = f"Note {number}. {_text(tokens, chance)}"
    usage = {"input_tokens": 0, "output_tokens": tokens}
    return text_message(said, model=LARGE, message_id=f"msg_{number}", usage=usage)


def _text(tokens: int, chance: random.Random) -> str:
    """About so many tokens of today's tokenizer, in sentences, different each time."""
    words = [chance.choice(_WORDS) for _ in range(max(1, round(tokens * 0.46)))]
    return ". ".join(" ".join(words[start : start + 11]).capitalize() for start in range(0, len(words), 11)) + "."
