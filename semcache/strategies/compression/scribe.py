"""Writes turns anew from the sentences that are kept, and marks what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from semcache.request import Json
from semcache.strategies.compression.sentences import Form, Sentence

MARK = "\u2026"
FIRST_MARK = "[\u2026]"  # the first in a block: what it usually means, left out, the others mean too

Piece = Sequence[tuple[Sentence, bool]]  # the sentences of one text, and which are kept


@dataclass
class Scribe:
    """Turns come in order; `finished` gives what became of them."""

    written: list[Json] = field(default_factory=list)
    _text: Json | None = None  # the last text block written, while nothing else has followed it
    _is_open: bool = False  # it stands in a turn of talk, which the same role may continue
    _has_gap: bool = False  # something has been left out since, and nothing says so yet
    _marks: int = 0

    def speak(self, message: Json, pieces: Sequence[Piece]) -> None:
        """A turn of talk; it falls away where nothing of it is kept."""
        role = message["role"]
        for piece in pieces:
            if not any(is_kept for _, is_kept in piece):
                self._has_gap = self._has_gap or bool(piece)
            elif self._is_open and self._text is not None and self._role == role:
                self._text["text"] = self._joined(self._text["text"], piece)
            else:
                self._turn_to(role)
                self._write(message, [self._new_text({"type": "text"}, piece)])
                self._is_open = True

    def copy(self, message: Json, blocks: Sequence[tuple[Any, Piece | None]]) -> None:
        """A turn with more than talk in it, or beside one: it stays, with its texts in short."""
        self._turn_to(message["role"])
        content: list[Any] = []
        for block, piece in blocks:
            if piece is None:
                content.append(block)
                self._text = None
            elif any(is_kept for _, is_kept in piece):
                content.append(self._new_text(block, piece))
            else:
                self._has_gap = self._has_gap or bool(piece)
        self._write(message, content or [self._filler()])
        self._is_open = False

    def finished(self, last_role: str) -> list[Json]:
        """All turns, in the roles they began and ended with: the user's next one follows."""
        self._settle()
        if not self.written:
            self._fill("user")
        if last_role == "assistant" and self._role == "user":
            self._fill("assistant")
        return self.written

    @property
    def _role(self) -> str | None:
        spoken = (str(message["role"]) for message in reversed(self.written) if message["role"] != "system")
        return next(spoken, None)

    def _turn_to(self, role: str) -> None:
        """Before a turn of this role: roles alternate as they did before."""
        if role == "assistant" and self._role in (None, "assistant"):
            self._settle()
            self._fill("user")
        elif role == "user" and self._role == "user" and self._has_gap:
            self._fill("assistant")
        else:
            self._settle()

    def _fill(self, role: str) -> None:
        self._write({"role": role}, [self._filler()])
        self._is_open = True

    def _filler(self) -> Json:
        self._has_gap = False
        self._text = {"type": "text", "text": self._mark()}
        return self._text

    def _write(self, message: Json, content: list[Any]) -> None:
        self.written.append({**message, "content": content})

    def _settle(self) -> None:
        """Mark the gap behind the last text; one that follows no text is marked before the next."""
        if self._has_gap and self._text is not None:
            self._text["text"] = self._marked(self._text["text"].rstrip())
            self._has_gap = False

    def _new_text(self, block: Json, piece: Piece) -> Json:
        self._settle()
        self._text = {**block, "text": self._joined("", piece)}
        return self._text

    def _joined(self, text: str, piece: Piece) -> str:
        """The text and the kept sentences behind it, with a mark where it has a gap."""
        is_first = True
        for sentence, is_kept in piece:
            if not is_kept:
                self._has_gap = True
                continue
            if self._has_gap:
                text = self._marked(text.rstrip()) + ("\n" if sentence.form is Form.WHOLE else " ")
            elif is_first and text:
                text += "\n\n"
            text += sentence.text if sentence.form is Form.WHOLE else _begun(text, sentence.text)
            self._has_gap = is_first = False
        return text.rstrip()

    def _marked(self, text: str) -> str:
        if text.endswith((MARK, FIRST_MARK)):
            return text
        return f"{text} {self._mark()}".lstrip()

    def _mark(self) -> str:
        self._marks += 1
        return MARK if self._marks > 1 else FIRST_MARK


def _begun(text: str, sentence: str) -> str:
    return sentence if text and not text[-1].isspace() else sentence.lstrip()
