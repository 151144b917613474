"""Many small JSON documents kept small: compressed in blocks, read back one block at a time."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from typing import overload

from semcache.request import Json

BLOCK_LINES = 128
_LEVEL = 1  # neighbours share prompts and shapes: the fast level finds nearly all of it


class PackedLines:
    """Lines without their line ends. Append, then read from the front or by block."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open: list[bytes] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, line: bytes) -> None:
        """Keep one line; it must not hold a line end."""
        self._open.append(line)
        self._count += 1
        if len(self._open) == BLOCK_LINES:
            self._blocks.append(zlib.compress(b"\n".join(self._open), _LEVEL))
            self._open = []

    def block(self, place: int) -> list[bytes]:
        """The lines from `place * BLOCK_LINES` on."""
        if place < len(self._blocks):
            return zlib.decompress(self._blocks[place]).split(b"\n")
        return list(self._open)

    def blocks(self) -> Iterator[list[bytes]]:
        """All lines in their order, a block at a time."""
        for place in range((self._count + BLOCK_LINES - 1) // BLOCK_LINES):
            yield self.block(place)

    @property
    def packed_bytes(self) -> int:
        """What it all weighs in memory."""
        return sum(map(len, self._blocks)) + sum(map(len, self._open))


class PackedRequests(Sequence[Json]):
    """The `requests` of a batch, decoded when looked at; quick where neighbours are read after each other."""

    def __init__(self, lines: PackedLines) -> None:
        self._lines = lines
        self._latest: tuple[int, list[bytes]] = (-1, [])

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, place: int) -> Json: ...
    @overload
    def __getitem__(self, place: slice) -> list[Json]: ...
    def __getitem__(self, place: int | slice) -> Json | list[Json]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        block, row = divmod(place % len(self), BLOCK_LINES)
        found, lines = self._latest
        if found != block:
            lines = self._lines.block(block)
            self._latest = (block, lines)
        request: Json = json.loads(lines[row])
        return request

    def __repr__(self) -> str:
        return f"<{len(self)} requests>"

    @property
    def packed_bytes(self) -> int:
        """What they weigh in memory."""
        return self._lines.packed_bytes
