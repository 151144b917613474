"""Names in a text: capitalised spans, where case says something."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:'[^\W\d_]+)*")
_SENTENCE_ENDS = frozenset('.?!:;\n"\u201c\u201d')
_NEVER_NAMES = frozenset({"i", "ok", "hi", "hello", "dear", "please", "thanks"})

Name = tuple[str, ...]


def names_of(text: str, stop: frozenset[str]) -> frozenset[Name]:
    """Spans of capitalised words, folded. None where the whole text is written in one case or as a title.

    A capital that opens a sentence counts only within a longer span, and only if the word carries content.
    """
    tokens = list(_WORD.finditer(text))
    capitalised = [token.group()[0].isupper() for token in tokens]
    opening = [_opens_sentence(text, tokens, index) for index in range(len(tokens))]
    telling = sum(is_capital and not opens for is_capital, opens in zip(capitalised, opening, strict=True))
    if 2 * telling > max(len(tokens), 3):
        return frozenset()
    names: set[Name] = set()
    span: list[str] = []
    opens = False
    for index, token in enumerate(tokens):
        if opening[index]:
            is_label = bool(span) and ":" in text[tokens[index - 1].end() : token.start()]
            _close(names, span, opens=opens and not is_label, stop=stop)
            span = []
        if capitalised[index]:
            opens = opens if span else opening[index]
            span.append(token.group().casefold().partition("'")[0])
            continue
        _close(names, span, opens=opens, stop=stop)
        span = []
    _close(names, span, opens=opens, stop=stop)
    return frozenset(names)


def _close(names: set[Name], span: list[str], *, opens: bool, stop: frozenset[str]) -> None:
    if opens and span and (len(span) == 1 or span[0] in stop):
        span = span[1:]
    kept = tuple(word for word in span if word not in _NEVER_NAMES)
    if any(len(word) > 1 for word in kept):  # "200 °C" names nobody
        names.add(kept)


def _opens_sentence(text: str, tokens: list[re.Match[str]], index: int) -> bool:
    if index == 0:
        return True
    between = text[tokens[index - 1].end() : tokens[index].start()]
    return any(mark in _SENTENCE_ENDS for mark in between)
