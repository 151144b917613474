"""How a conversation is to be compressed: how far, and what stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from semcache.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Share:
    """Of the text of each block of old turns, this part is kept."""

    of_text: float

    def __post_init__(self) -> None:
        if not 0 <= self.of_text <= 1:
            raise SettingsError(f"compression: a share is between 0 and 1, not {self.of_text}")


@dataclass(frozen=True, slots=True)
class Tokens:
    """So many tokens of each block of old turns are kept, by the model's own tokenizer."""

    per_block: int

    def __post_init__(self) -> None:
        if self.per_block < 0:
            raise SettingsError(f"compression: a token budget is not negative: {self.per_block}")


Budget = Share | Tokens


@dataclass(frozen=True, slots=True)
class Terms:
    """All of it decides the bytes that are sent: a conversation keeps its terms from first to last.

    Old turns are frozen in blocks of `block_turns` user turns, once `recent_turns` more have been
    asked; tool results in groups of `results_group`, once `results_kept` more are there.
    """

    budget: Budget = field(default=Share(0.5))
    recent_turns: int = 3
    block_turns: int = 8
    results_kept: int = 3
    results_group: int = 3

    def __post_init__(self) -> None:
        if self.recent_turns < 2:
            raise SettingsError("compression: recent_turns is at least 2: relevance is judged by them")
        if min(self.block_turns, self.results_group) < 1 or self.results_kept < 0:
            raise SettingsError("compression: block_turns and results_group are at least 1, results_kept at least 0")
