"""Kinds of traffic for the prompt cache, in virtual time, in words of our own, and the laws that they are made by."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from semcache.request import Json

_WORDS = (
    "harbour ledger valve orchard signal bridge lantern copper timber river garden window engine market station letter "
    "winter summer carpet kettle ladder mirror needle pocket ribbon saddle tunnel velvet wagon anchor barrel canvas"
).split()
_SPREAD = 0.9  # of the logarithm of a gap
_SESSIONS, _CONVERSATIONS, _DOCUMENTS = 40, 500, 60
_STEPS = (8, 30)
_PAUSES = 0.05
_STOPS, _MOST_TURNS = 0.6, 7  # a conversation goes on with the chance exp(-0.6), but for seven turns at most


@dataclass(frozen=True)
class Visit:
    """One request at its time, in seconds since the beginning.

    `use` numbers the visits of a session; `passing` blocks at the end are of this visit only. `seam`: the system prompt
    varies from this character on, 0: it does not.
    """

    at: float
    body: Json
    session: int = 0
    use: int = 0
    passing: int = 0
    seam: int = 0


@dataclass(frozen=True)
class Law:
    """What can be known of a session: that another visit follows the n-th, and that it does so in time."""

    goes_on: Callable[[int], float]
    soon: float = 0.0  # within 5 minutes
    within_hour: float = 0.0


def text(tokens: int, chance: random.Random) -> str:
    """About so many tokens of the older tokenizer, different each time."""
    words = [chance.choice(_WORDS) for _ in range(max(1, tokens * 4 // 7))]
    return " ".join(words) + "."


def prose(tokens: int, chance: random.Random) -> str:
    """The same in lines."""
    return "".join(f"{text(30, chance).capitalize()}\n" for _ in range(tokens // 30))


def agent_loops(chance: random.Random, model: str) -> Iterator[Visit]:
    """A coding agent: one system prompt and toolset, sessions of many tool calls seconds apart, some with a pause."""
    system, tools = text(2_500, chance), [_tool(number, chance) for number in range(8)]
    for session in range(_SESSIONS):
        now = session * 1_500.0 + chance.uniform(0, 600)
        messages: list[Json] = [{"role": "user", "content": text(150, chance)}]
        for step in range(chance.randint(*_STEPS)):
            yield Visit(now, _body(model, messages, system=system, tools=tools), session, step)
            call = {
                "type": "tool_use",
                "id": f"toolu_{session}_{step}",
                "name": "tool_1",
                "input": {"q": text(20, chance)},
            }
            result = {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": text(chance.randint(50, 900), chance),
            }
            messages = [*messages, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
            now += _gap(chance, median=12) if chance.random() > _PAUSES else _gap(chance, median=900)


def document_questions(chance: random.Random, model: str) -> Iterator[Visit]:
    """Contracts of 10,000 tokens, each asked about a few times by whoever has it open; popularity falls with rank."""
    system = text(700, chance)
    for rank in range(_DOCUMENTS):
        document, now = text(10_000, chance), chance.uniform(0, 80_000)
        for use in range(_questions(rank)):
            content = [{"type": "text", "text": document}, {"type": "text", "text": text(25, chance)}]
            yield Visit(now, _body(model, [{"role": "user", "content": content}], system=system), rank, use, passing=1)
            now += _gap(chance, median=150)


def many_users(chance: random.Random, model: str) -> Iterator[Visit]:
    """A support bot: 3,000 tokens of system prompt, many short conversations at once."""
    system = text(3_000, chance)
    for session in range(_CONVERSATIONS):
        now, messages = chance.uniform(0, 80_000), [{"role": "user", "content": text(40, chance)}]
        for use in range(1 + min(_MOST_TURNS - 1, int(chance.expovariate(_STOPS)))):
            yield Visit(now, _body(model, messages, system=system), session, use)
            answer = {"role": "assistant", "content": text(120, chance)}
            messages = [*messages, answer, {"role": "user", "content": text(40, chance)}]
            now += _gap(chance, median=60)


def clocked(chance: random.Random, model: str) -> Iterator[Visit]:
    """Many users of one system prompt of 4,000 tokens, which tells the time of each request after three quarters."""
    before, behind = prose(3_000, chance), prose(1_000, chance)
    for session in range(_CONVERSATIONS):
        now = chance.uniform(0, 80_000)
        system = f"{before}It is {int(now) // 3_600:02d}:{int(now) % 3_600 / 60:05.2f} and {{}} is asking.\n{behind}"
        body = _body(model, [{"role": "user", "content": text(60, chance)}], system=system.format(text(4, chance)))
        yield Visit(now, body, session, passing=2, seam=len(before))


def one_shots(chance: random.Random, model: str) -> Iterator[Visit]:
    """Everything different every time, with a clock at the head of the system prompt."""
    for number in range(200):
        system = f"It is {number:05d} o'clock. {text(900, chance)}"
        body = _body(model, [{"role": "user", "content": text(1_500, chance)}], system=system)
        yield Visit(number * 40.0, body, number)


TRAFFICS = {
    "agent loops": agent_loops,
    "documents": document_questions,
    "many users": many_users,
    "a clock inside the system text": clocked,
    "one-shot": one_shots,
}


def laws() -> dict[str, Law]:
    """By traffic: the chances that it is made by, for whoever knows them and not what they will bring."""

    def share(visits: list[int], use: int) -> float:
        return sum(each > use + 1 for each in visits) / max(1, sum(each > use for each in visits))

    asked = [_questions(rank) for rank in range(_DOCUMENTS)]
    steps = list(range(_STEPS[0], _STEPS[1] + 1))
    pauses = {bound: (1 - _PAUSES) * _within(bound, 12) + _PAUSES * _within(bound, 900) for bound in (300.0, 3_600.0)}
    return {
        "agent loops": Law(lambda use: share(steps, use), pauses[300.0], pauses[3_600.0]),
        "documents": Law(lambda use: share(asked, use), _within(300.0, 150), _within(3_600.0, 150)),
        "many users": Law(
            lambda use: math.exp(-_STOPS) if use + 1 < _MOST_TURNS else 0.0, _within(300.0, 60), _within(3_600.0, 60)
        ),
        "a clock inside the system text": Law(lambda use: 0.0),
        "one-shot": Law(lambda use: 0.0),
    }


def visits(name: str, *, seed: int, model: str) -> list[Visit]:
    """The traffic in the order of time."""
    return sorted(TRAFFICS[name](random.Random(seed), model), key=lambda visit: visit.at)


def _questions(rank: int) -> int:
    return int(max(1, round(14 / (rank + 1) ** 0.7)))


def _body(model: str, messages: list[Json], **fields: object) -> Json:
    return {"model": model, "max_tokens": 64, "messages": messages, **fields}


def _tool(number: int, chance: random.Random) -> Json:
    return {"name": f"tool_{number}", "description": text(150, chance), "input_schema": {"type": "object"}}


def _gap(chance: random.Random, *, median: float) -> float:
    return float(math.exp(chance.gauss(math.log(median), _SPREAD)))


def _within(seconds: float, median: float) -> float:
    """The chance that such a gap is shorter."""
    return 0.5 * (1 + math.erf(math.log(seconds / median) / _SPREAD / math.sqrt(2)))
