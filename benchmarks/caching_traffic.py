"""Four kinds of traffic for the prompt cache, in virtual time, in words of our own."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from semcache.request import Json

_WORDS = (
    "harbour ledger valve orchard signal bridge lantern copper timber river garden window engine market station letter "
    "winter summer carpet kettle ladder mirror needle pocket ribbon saddle tunnel velvet wagon anchor barrel canvas"
).split()


@dataclass(frozen=True)
class Visit:
    """One request at its time, in seconds since the beginning."""

    at: float
    body: Json


def text(tokens: int, chance: random.Random) -> str:
    """About so many tokens of the older tokenizer, different each time."""
    words = [chance.choice(_WORDS) for _ in range(max(1, tokens * 4 // 7))]
    return " ".join(words) + "."


def agent_loops(chance: random.Random, model: str) -> Iterator[Visit]:
    """A coding agent: one system prompt and toolset, sessions of many tool calls seconds apart, some with a pause."""
    system, tools = text(2_500, chance), [_tool(number, chance) for number in range(8)]
    for session in range(40):
        now = session * 1_500.0 + chance.uniform(0, 600)
        messages: list[Json] = [{"role": "user", "content": text(150, chance)}]
        for step in range(chance.randint(8, 30)):
            yield Visit(now, _body(model, messages, system=system, tools=tools))
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
            now += _gap(chance, median=12) if chance.random() > 0.05 else _gap(chance, median=900)


def document_questions(chance: random.Random, model: str) -> Iterator[Visit]:
    """Contracts of 10,000 tokens, each asked about a few times by whoever has it open; popularity falls with rank."""
    system = text(700, chance)
    for rank in range(60):
        document, now = text(10_000, chance), chance.uniform(0, 80_000)
        for _ in range(max(1, round(14 / (rank + 1) ** 0.7))):
            content = [{"type": "text", "text": document}, {"type": "text", "text": text(25, chance)}]
            yield Visit(now, _body(model, [{"role": "user", "content": content}], system=system))
            now += _gap(chance, median=150)


def many_users(chance: random.Random, model: str) -> Iterator[Visit]:
    """A support bot: 3,000 tokens of system prompt, many short conversations at once."""
    system = text(3_000, chance)
    for _ in range(500):
        now, messages = chance.uniform(0, 80_000), [{"role": "user", "content": text(40, chance)}]
        for _ in range(1 + min(6, int(chance.expovariate(0.6)))):
            yield Visit(now, _body(model, messages, system=system))
            answer = {"role": "assistant", "content": text(120, chance)}
            messages = [*messages, answer, {"role": "user", "content": text(40, chance)}]
            now += _gap(chance, median=60)


def one_shots(chance: random.Random, model: str) -> Iterator[Visit]:
    """Everything different every time, with a clock at the head of the system prompt."""
    for number in range(200):
        system = f"It is {number:05d} o'clock. {text(900, chance)}"
        yield Visit(number * 40.0, _body(model, [{"role": "user", "content": text(1_500, chance)}], system=system))


TRAFFICS = {
    "agent loops": agent_loops,
    "documents": document_questions,
    "many users": many_users,
    "one-shot": one_shots,
}


def visits(name: str, *, seed: int, model: str) -> list[Visit]:
    """The traffic in the order of time."""
    return sorted(TRAFFICS[name](random.Random(seed), model), key=lambda visit: visit.at)


def _body(model: str, messages: list[Json], **fields: object) -> Json:
    return {"model": model, "max_tokens": 64, "messages": messages, **fields}


def _tool(number: int, chance: random.Random) -> Json:
    return {"name": f"tool_{number}", "description": text(150, chance), "input_schema": {"type": "object"}}


def _gap(chance: random.Random, *, median: float) -> float:
    return float(math.exp(chance.gauss(math.log(median), 0.9)))
