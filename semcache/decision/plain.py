"""The plain wording of an English question: without courtesies, and put in one of a few ways.

Two questions with one plain wording ask the same thing word for word, so no model is needed to say so.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_SEPARATED = re.compile(r"[\s.,;:!?…]+")
_LONGEST = 600  # characters; in a longer text a courtesy is the least of the differences


def plain_wording(folded: str) -> str:
    """The plain wording of a folded text; never empty unless the text is."""
    text = " ".join(_SEPARATED.sub(" ", folded.replace("\u2019", "'")).split()) if len(folded) <= _LONGEST else folded
    if not text or len(folded) > _LONGEST:
        return text
    known = _wordings()
    bare = known.after.sub("", known.before.sub("", text)).strip() or text
    for pattern, plain in known.contractions:
        bare = pattern.sub(plain, bare)
    for pattern, plain in known.frames:
        if pattern.match(bare):
            return pattern.sub(plain, bare, count=1)
    return bare


@dataclass(frozen=True)
class _Wordings:
    before: re.Pattern[str]
    after: re.Pattern[str]
    frames: tuple[tuple[re.Pattern[str], str], ...]
    contractions: tuple[tuple[re.Pattern[str], str], ...]


@cache
def _wordings() -> _Wordings:
    data = tomllib.loads(files("semcache.decision").joinpath("plain.toml").read_text("utf-8"))
    return _Wordings(
        before=re.compile(rf"^(?:(?:{'|'.join(data['before'])}) )+"),
        after=re.compile(rf"(?: (?:{'|'.join(data['after'])}))+$"),
        frames=tuple((re.compile(rf"^{pattern}\b"), plain) for pattern, plain in data["frames"]),
        contractions=tuple((re.compile(rf"\b{re.escape(short)}\b"), full) for short, full in data["contractions"]),
    )
