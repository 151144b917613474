"""What was frozen, kept for as long as conversations live: in memory, and in the store between two lives."""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from threading import Lock

from semcache.journal import Journalled, operation

MOST_BYTES = 16_000_000  # of texts; the block that was not asked for longest goes first
_KEPT_BYTES = 4_000_000  # of what is written to the store: the latest


class Blocks(Journalled):
    """A `Memory` of bounded size. Thread-safe."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0
        self._changes = 0
        self._lock = Lock()

    @property
    def changes(self) -> int:
        """Grows with everything that is put."""
        return self._changes

    def get(self, digest: str) -> str | None:
        with self._lock:
            text = self._texts.get(digest)
            if text is not None:
                self._texts.move_to_end(digest)
            return text

    @operation
    def put(self, digest: str, text: str) -> None:
        with self._lock:
            self._bytes += len(text) - len(self._texts.pop(digest, ""))
            self._texts[digest] = text
            self._changes += 1
            while self._bytes > MOST_BYTES and len(self._texts) > 1:
                self._bytes -= len(self._texts.popitem(last=False)[1])

    def to_bytes(self) -> bytes:
        """The latest of it, compressed."""
        with self._lock:
            kept: list[tuple[str, str]] = []
            room = _KEPT_BYTES
            for digest, text in reversed(self._texts.items()):
                room -= len(text)
                if room < 0:
                    break
                kept.append((digest, text))
        return zlib.compress(json.dumps(kept[::-1], ensure_ascii=False).encode("utf-8", "surrogatepass"), 1)

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        try:
            known = json.loads(zlib.decompress(content).decode("utf-8", "surrogatepass"))
        except zlib.error as error:
            raise ValueError("not compressed") from error
        for digest, text in known:
            self.put(str(digest), str(text))
