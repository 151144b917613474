"""A block of old turns as the sentences that may be left out, and the turns again from those that are kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from semcache.request import Json
from semcache.strategies.compression.clauses import clauses_of
from semcache.strategies.compression.scribe import Scribe
from semcache.strategies.compression.sentences import Sentence, sentences_of
from semcache.strategies.compression.sizes import byte_count
from semcache.strategies.compression.turns import Exchange, is_plain, is_prose, is_speech, user_text


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence of an old turn, and where it stands."""

    sentence: Sentence
    exchange: int  # within the block
    message: int
    block: int  # within the message
    is_users: bool

    @property
    def text(self) -> str:
        return self.sentence.text.strip()

    @property
    def size(self) -> int:
        return byte_count(self.sentence.text)


@dataclass(frozen=True)
class OldTurns:
    """Messages in their normal form, tool results masked and thinking gone."""

    messages: Sequence[Json]
    exchanges: Sequence[Exchange]
    units: Sequence[Unit]

    @classmethod
    def read(cls, messages: Sequence[Json], exchanges: Sequence[Exchange]) -> OldTurns:
        """`exchanges` are those of the messages, which begin with the first."""
        units = [
            Unit(part, number, place, at, messages[place]["role"] == "user")
            for number, exchange in enumerate(exchanges)
            for place in range(exchange.start, exchange.end)
            for at, block in enumerate(messages[place]["content"])
            if is_speech(messages[place]) and is_prose(block)
            for sentence in sentences_of(block["text"])
            for part in clauses_of(sentence)
        ]
        return cls(messages, exchanges, units)

    @property
    def size(self) -> int:
        return sum(unit.size for unit in self.units)

    def replies(self, after: Sequence[str]) -> list[str]:
        """To each exchange what the user said next; `after` is what follows the block."""
        asked = [user_text(self.messages[exchange.start]) for exchange in self.exchanges]
        return [*asked[1:], after[0] if after else ""]

    def with_only(self, kept: Collection[int]) -> list[Json]:
        """The messages with these units alone, and a mark wherever something is left out.

        Exchanges of nothing but talk lose the turns that nothing is kept of; what then stands side
        by side in one role becomes one turn. All other exchanges keep every turn.
        """
        pieces: dict[tuple[int, int], list[tuple[Sentence, bool]]] = {}
        for number, unit in enumerate(self.units):
            pieces.setdefault((unit.message, unit.block), []).append((unit.sentence, number in kept))
        scribe = Scribe()
        for exchange in self.exchanges:
            messages = self.messages[exchange.start : exchange.end]
            is_talk = all(is_plain(message) for message in messages)
            for place, message in enumerate(messages, exchange.start):
                blocks = [(block, pieces.get((place, at))) for at, block in enumerate(message["content"])]
                if is_talk:
                    scribe.speak(message, [piece for _, piece in blocks if piece is not None])
                else:
                    scribe.copy(message, blocks)
        return scribe.finished(self.messages[-1]["role"] if self.messages else "user")


def text_size(messages: Sequence[Json]) -> int:
    """Bytes of what is said in plain text."""
    return sum(
        byte_count(block["text"])
        for message in messages
        if is_speech(message)
        for block in message["content"]
        if is_prose(block)
    )
