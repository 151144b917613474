"""Conversations to measure follow-ups with: stored ones, and others that are looked up among them."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workloads import MissingData

from semcache.request import Json

PAIRS = Path(__file__).with_name("conversation_pairs.jsonl")
NOTHING = "(no stored answer is right)"
_HOMES = {
    "trec_cast": "TREC CAsT 2019-20, https://github.com/daltonj/treccastweb (MIT)",
    "disfl_qa": "https://github.com/google-research-datasets/Disfl-QA (CC BY 4.0; SQuAD CC BY-SA 4.0)",
    "dstc9_faq": "https://github.com/alexa/alexa-with-dstc9-track1-dataset (Apache-2.0)",
}


@dataclass(frozen=True)
class Dialogue:
    """Turns that end with what a user says last (a text, or blocks), and the one answer that is right for it."""

    name: str
    history: tuple[Json, ...]
    question: str | list[Json]
    gold: str

    @property
    def turns(self) -> list[Json]:
        return [*self.history, {"role": "user", "content": self.question}]


@dataclass(frozen=True)
class Suite:
    """Conversations to fill a cache with, and those to look up in it. No two stored ones are the same."""

    name: str
    stored: tuple[Dialogue, ...]
    asked: tuple[Dialogue, ...]

    @classmethod
    def of(cls, name: str, stored: Iterable[Dialogue], asked: Iterable[Dialogue]) -> Suite:
        by_turns = {json.dumps(dialogue.turns): dialogue for dialogue in stored}
        return cls(name, tuple(by_turns.values()), tuple(asked))


def own_suites() -> Iterator[Suite]:
    """The project's own minimal pairs, by kind. Where a pair must miss, no stored answer is right."""
    by_kind: dict[str, list[Json]] = defaultdict(list)
    for line in PAIRS.read_text("utf-8").splitlines():
        pair = json.loads(line)
        by_kind[pair["kind"]].append(pair)
    for kind, pairs in sorted(by_kind.items()):
        stored = (_dialogue(pair["id"], pair["stored"], _answer(pair["id"])) for pair in pairs)
        golds = (_answer(pair["id"]) if pair["expect"] == "hit" else NOTHING for pair in pairs)
        asked = (_dialogue(pair["id"], pair["asked"], gold) for pair, gold in zip(pairs, golds, strict=True))
        yield Suite.of(f"own: {kind}", stored, asked)


def data_suites(data: Path, *, rows: int, seed: int) -> Iterator[Suite]:
    """The suites of the datasets below `data`, each with at most `rows` conversations."""
    chance = random.Random(seed)
    turns = [row for row in _rows(data, "trec_cast", "turns_dev.jsonl.gz") if row["history"]]
    yield from _cast(_drawn(turns, rows, chance))
    yield _disfluent(_rows(data, "disfl_qa", "stream_dev.jsonl.gz"), rows_kept=rows, chance=chance)
    swaps = [row for row in _rows(data, "dstc9_faq", "entity_swap_pairs_dev.jsonl.gz") if not row["same_answer_text"]]
    yield from _entities(_drawn(swaps, rows, chance))


def agent_suite(*, rows: int, seed: int) -> Suite:
    """Transcripts of a coding agent, and the same ones but for the first request, the file, or what was found."""
    chance = random.Random(seed)
    tasks = [_Task.drawn(chance) for _ in range(min(rows, 100))]
    stored = [transcript for task in tasks for transcript in task.transcripts()]
    others = [each for task in tasks for other in task.variations(chance) for each in other.transcripts()]
    known = {json.dumps(transcript.turns) for transcript in stored}
    return Suite.of("agents", stored, (each for each in others if json.dumps(each.turns) not in known))


@dataclass(frozen=True)
class _Task:
    """What a generated agent was asked, read, found, and asked then."""

    request: str
    path: str
    found: str
    question: str

    @classmethod
    def drawn(cls, chance: random.Random) -> _Task:
        return cls(*(chance.choice(options) for options in (_REQUESTS, _PATHS, _FINDINGS, _QUESTIONS)))

    def variations(self, chance: random.Random) -> list[_Task]:
        other = _Task.drawn(chance)
        return [
            _Task(other.request, self.path, self.found, self.question),
            _Task(self.request, other.path, self.found, self.question),
            _Task(self.request, self.path, other.found, self.question),
        ]

    def transcripts(self) -> Iterator[Dialogue]:
        """Cut where the tool has just answered, where the user speaks beside that answer, and a turn later."""
        call = {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {"path": self.path}}
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": self.found}
        opening: list[Json] = [
            {"role": "user", "content": self.request},
            {"role": "assistant", "content": [{"type": "text", "text": "Let me look."}, call]},
        ]
        later: list[Json] = [{"role": "user", "content": [result]}, {"role": "assistant", "content": "I have read it."}]
        name = " | ".join((self.request, self.path, self.found, self.question))
        yield Dialogue(name, tuple(opening), [result], _answer(f"{name} (tool)"))
        spoken = [result, {"type": "text", "text": self.question}]
        yield Dialogue(name, tuple(opening), spoken, _answer(f"{name} (beside)"))
        yield Dialogue(name, (*opening, *later), self.question, _answer(f"{name} (later)"))


_REQUESTS = ("Fix the failing test.", "Add a retry to the client.", "Explain this module.", "Rename the class.")
_PATHS = ("app/main.py", "app/client.py", "tests/test_main.py", "README.md", "setup.cfg", "app/models/user.py")
_FINDINGS = ("def run(): ...", "class Client: ...", "assert run() == 1", "# Title", "[flake8]", "ERROR 17", "ERROR 18")
_QUESTIONS = ("What is the capital of Peru?", "Which line is wrong?", "How do I run the tests?", "Is it safe to merge?")


def _cast(turns: list[Json]) -> Iterator[Suite]:
    """Context-dependent turns against other histories and against questions asked alone; independent ones likewise."""
    dependent = [row for row in turns if row["context_dependent"]]
    own = [_cast_turn(row, row["history"], row["raw"]) for row in dependent]
    elsewhere = zip(dependent, _other_histories(dependent), strict=True)
    displaced = [_cast_turn(row, history, row["raw"], gold=NOTHING) for row, history in elsewhere]
    yield Suite.of("CAsT, same history again", own, own)
    yield Suite.of("CAsT, another history", own, displaced)
    yield Suite.of(
        "CAsT, meaning asked alone before", [_cast_turn(row, [], row["rewritten"]) for row in dependent], own
    )
    bare = [
        _cast_turn(row, [], row["raw"], gold=_answer(f"the mere words {row['raw'].casefold()}")) for row in dependent
    ]
    yield Suite.of("CAsT, same words asked alone before", bare, own)
    independent = [row for row in turns if not row["context_dependent"]]
    alone = [_cast_turn(row, [], row["raw"]) for row in independent]
    within = [_cast_turn(row, row["history"], row["raw"]) for row in independent]
    yield Suite.of("CAsT, independent turns asked alone before", alone, within)


def _cast_turn(row: Json, history: Sequence[str], question: str, *, gold: str = "") -> Dialogue:
    """A turn; one meaning has one answer, whichever turn asks for it."""
    name = f"{row['year']}/{row['conversation']}/{row['turn']}"
    turns: list[str] = []
    for said in history:
        turns += [said, f"This is what is known about that: {said.strip(' ?.!')}."]
    return _dialogue(name, [*turns, question], gold or _answer(" ".join(row["rewritten"].casefold().split())))


def _other_histories(rows: list[Json]) -> Iterator[list[str]]:
    """For each row, the history of the next row that comes from another conversation."""
    for index, row in enumerate(rows):
        following = [*rows[index + 1 :], *rows[:index]]
        other = (each for each in following if each["conversation"] != row["conversation"])
        yield next(other, {"history": []})["history"]


def _disfluent(rows: list[Json], *, rows_kept: int, chance: random.Random) -> Suite:
    """Corrected questions among the originals of many: what stands before the correction must not be answered."""
    originals = {row["class_id"]: row["text"] for row in rows if row["kind"] == "original"}
    spoken = _drawn([row for row in rows if row["kind"] != "original"], rows_kept, chance)
    golds = {name: _answer(text.casefold()) for name, text in originals.items()}
    stored = [_dialogue(row["class_id"], [originals[row["class_id"]]], golds[row["class_id"]]) for row in spoken]
    asked = [_dialogue(row["id"], [row["text"]], golds[row["class_id"]]) for row in spoken]
    return Suite.of("Disfl-QA, corrected questions", stored, asked)


def _entities(swaps: list[Json]) -> Iterator[Suite]:
    """The same question about two places: named in the question, or only in the turn before, also reworded."""
    yield Suite.of(
        "DSTC9, entity in the question",
        (_dialogue(row["a"], [row["a"]], _answer(row["a"])) for row in swaps),
        (_dialogue(row["b"], [row["b"]], _answer(row["b"])) for row in swaps),
    )
    stored = [_about(row["entity_a"], row["title"], "Tell me about {}.") for row in swaps]
    other = [_about(row["entity_b"], row["title"], "Tell me about {}.") for row in swaps]
    reworded = [_about(row["entity_a"], row["title"], "What can you tell me about {}?") for row in swaps]
    yield Suite.of("DSTC9, entity in the history", stored, other)
    yield Suite.of("DSTC9, same entity in a reworded history", stored, reworded)


def _about(entity: str, title: str, opening: str) -> Dialogue:
    """A question after one about a place; an answer holds for one place only."""
    name = f"{entity}: {title}"
    return _dialogue(name, [opening.format(entity.title()), f"{entity.title()} is in town.", title], _answer(name))


def _dialogue(name: str, texts: Sequence[str], gold: str) -> Dialogue:
    """Texts of user and assistant in turn, the user's question last."""
    roles = ("user", "assistant") * len(texts)
    history = tuple({"role": role, "content": text} for role, text in zip(roles, texts[:-1], strict=False))
    return Dialogue(name, history, texts[-1], gold)


def _answer(name: str) -> str:
    return f"This is the answer for {name}."


def _drawn(rows: list[Json], most: int, chance: random.Random) -> list[Json]:
    return chance.sample(rows, k=min(most, len(rows)))


def _rows(data: Path, dataset: str, file: str) -> list[Json]:
    path = data / dataset / file
    if not path.is_file():
        raise MissingData(f"{path} is missing; public home: {_HOMES[dataset]}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
