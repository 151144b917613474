"""Parts one text block in two, so that what stands before something that varies can bear a mark by itself.

Claude reads adjacent text blocks as one text; each part is a whole run of lines or sentences, so it counts as many
tokens as the text did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from semcache.request import Json, Request
from semcache.strategies.untouchable import untouchable_lines

_FIELDS = frozenset({"type", "text", "cache_control"})  # of a block that is nothing but text
_LOSES_LITTLE = 0.9  # of what is alike must stay before a clean cut, or an unclean one is taken
_LINE_START = re.compile(r"(?<=\n)(?=\S)")
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\S)")
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("\u201c", "\u201d"), ("\u00ab", "\u00bb"))


@dataclass(frozen=True, slots=True)
class Parting:
    """Where one text is parted. `inner` None: the field is a bare text."""

    section: str  # system or messages
    outer: int
    inner: int | None
    offset: int  # characters before the seam

    def says(self) -> str:
        where = "the system prompt" if self.section == "system" else "the first turn"
        return f"{where} parted at character {self.offset}"


class Text(NamedTuple):
    """A text that may be parted."""

    section: str
    outer: int
    inner: int | None
    text: str


def texts_of(body: Mapping[str, Any]) -> Iterator[Text]:
    """The texts that requests may share: those of the system prompt, and of the first turn."""
    for inner, text in _texts(body.get("system")):
        yield Text("system", 0, inner, text)
    messages = body.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    if isinstance(first, dict) and first.get("role") == "user":
        for inner, text in _texts(first.get("content")):
            yield Text("messages", 0, inner, text)


def parted(request: Request, parting: Parting, *, strategy: str) -> Request:
    """The request with this text in two blocks; a mark that the caller has put on it stays at its end."""
    if parting.section == "system":
        return request.reshaped(strategy, {"system": _parted(request.body["system"], parting)})
    first, *others = request.body["messages"]
    turn = {**first, "content": _parted(first["content"], parting)}
    return request.reshaped(strategy, {"messages": [turn, *others]})


def safe_cut(text: str, alike: int) -> int | None:
    """The last place within the first `alike` characters where a line or a sentence begins; None: there is none.

    Not within code, quotations, brackets or a pair of tags, unless that would leave much less before the cut.
    """
    lines = [found.start() for found in _LINE_START.finditer(text, 0, alike + 1) if found.start() <= alike]
    sentences = [found.start() for found in _SENTENCE_END.finditer(text, 0, alike + 2) if found.start() <= alike]
    cuts = sorted({*lines, *sentences}, reverse=True)
    if not cuts:
        return None
    kinds = untouchable_lines(text.split("\n"))
    clean = next((cut for cut in cuts if _is_clean(text, cut, kinds)), 0)
    return clean if clean >= _LOSES_LITTLE * cuts[0] else cuts[0]


def _is_clean(text: str, cut: int, kinds: list[str | None]) -> bool:
    at = text.count("\n", 0, cut)
    if text[cut - 1] == "\n":
        return kinds[at] is None or kinds[at - 1] is None
    line = text[text.rfind("\n", 0, cut) + 1 : cut]
    is_balanced = all(line.count(opening) == line.count(closing) for opening, closing in _PAIRS)
    return kinds[at] is None and is_balanced and not (line.count('"') % 2 or line.count("`") % 2)


def _texts(content: Any) -> Iterator[tuple[int | None, str]]:
    if isinstance(content, str):
        yield None, content
    for inner, block in enumerate(content if isinstance(content, list) else []):
        if isinstance(block, dict) and block.keys() <= _FIELDS and isinstance(block.get("text"), str):
            yield inner, block["text"]


def _parted(content: Any, parting: Parting) -> list[Json]:
    if parting.inner is None:
        return [{"type": "text", "text": part} for part in _halves(content, parting.offset)]
    block = content[parting.inner]
    before, behind = _halves(block["text"], parting.offset)
    parts = [{"type": "text", "text": before}, {**block, "text": behind}]
    return [*content[: parting.inner], *parts, *content[parting.inner + 1 :]]


def _halves(text: str, offset: int) -> tuple[str, str]:
    return text[:offset], text[offset:]
