"""Cuts a text into windows that fit a model, losing nothing, and joins the vectors of the windows again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from semcache.entry import Embedding
from semcache.errors import EmbedderError

if TYPE_CHECKING:
    from semcache.entry import Vector, Vectors


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens of one forward pass; those from `first` to `last` (exclusive) are the text's own."""

    ids: list[int]
    pieces: list[str]
    first: int
    last: int


class Windower:
    """Tokenises whole texts.

    Windows do not overlap and are as equal in length as can be: every token then weighs about the same in the
    mean of the windows, and no window is a stub of a few words that would pull it off.
    """

    def __init__(self, definition: str, *, window_tokens: int) -> None:
        try:
            tokenizer = Tokenizer.from_str(definition)
        except Exception as error:  # the library raises nothing narrower
            raise EmbedderError(f"the tokenizer cannot be read: {error}") from error
        # What the file says about both would cut texts (at 128 tokens, for MiniLM) and pad them.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._prefix, self._suffix = _special_ids(tokenizer)
        self._room = window_tokens - len(self._prefix) - len(self._suffix)
        if self._room < 1:
            raise EmbedderError(f"a window of {window_tokens} tokens leaves no room for text")

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows."""
        return self._tokenizer.get_vocab_size()

    def pieces(self, text: str) -> tuple[list[int], list[str]]:
        """The whole text's tokens, special ones left out: ids and texts."""
        encoding = self._tokenizer.encode(_sound(text), add_special_tokens=False)
        return encoding.ids, encoding.tokens

    def windows(self, text: str) -> list[Window]:
        """At least one; an empty text is a window of the special tokens alone."""
        ids, pieces = self.pieces(text)
        count = max(1, -(-len(ids) // self._room))
        if count == 1:
            return [self._window(ids, pieces)]
        edges = [len(ids) * number // count for number in range(count + 1)]
        return [self._window(ids[a:b], pieces[a:b]) for a, b in pairwise(edges)]

    def _window(self, ids: list[int], pieces: list[str]) -> Window:
        first = len(self._prefix)
        # A model without special tokens still needs one token to say something about an empty text.
        framed = [*self._prefix, *ids, *self._suffix] or [0]
        return Window(framed, pieces, first, first + len(ids))


def unit(rows: Vectors) -> Vectors:
    """The rows, each of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)


def joined(windows: Vectors, tokens: list[Vectors] | None = None, pieces: tuple[str, ...] = ()) -> Embedding:
    """One embedding of a text's windows. `windows` has rows of unit length."""
    stacked = None if tokens is None else unit(np.concatenate(tokens))
    return Embedding(_mean(windows), windows, stacked, pieces)


def _mean(windows: Vectors) -> Vector:
    vector: Vector = windows[0]
    if len(windows) == 1:
        return vector
    mean = windows.mean(axis=0, dtype=np.float32)
    return unit(mean) if mean.any() else vector


def _special_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The ids that the model wants before and after a text."""
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    framed = tokenizer.encode("a").ids
    for start in range(len(framed) - len(bare) + 1):
        if framed[start : start + len(bare)] == bare:
            return framed[:start], framed[start + len(bare) :]
    raise EmbedderError("the tokenizer changes a text when it adds its special tokens; this is not supported")


def _sound(text: str) -> str:
    """The text without lone surrogates, which JSON can carry and UTF-8 cannot."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
