"""Snapshots of large indexes beside the database: written whole or not at all, believed only after a check.

A file is a line of JSON (the header), the slots' exemplar ids, FAISS's own bytes, and a CRC-32 of all
before it. Nothing depends on snapshots: without them an index is built from SQLite.
"""

from __future__ import annotations

import json
import os
import secrets
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from semcache.entry import Scope
from semcache.errors import IndexMismatch
from semcache.stores.projection import Projection
from semcache.stores.stored import scope_key
from semcache.stores.vector_index import Index, is_graph, read_index, write_index

FORMAT = 1
_CHUNK_BYTES = 1 << 20
_LONGEST_HEADER_BYTES = 4096


@dataclass(frozen=True)
class Owner:
    """Whose vectors a snapshot holds: a scope's, in one embedding space."""

    scope: str
    space: str
    dims: int

    @classmethod
    def of(cls, scope: Scope, *, space: str, dims: int) -> Owner:
        return cls(scope_key(scope).hex(), space, dims)


def snapshot_path(directory: Path, scope: Scope) -> Path:
    short = "".join(letter if letter.isalnum() else "-" for letter in scope.short)
    return directory / f"vectors-{short}.faiss"


def write_snapshot(path: Path, owner: Owner, projection: Projection) -> None:
    """Write to a temporary file, sync, rename. Raises `OSError`."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch(mode=0o600, exist_ok=False)  # vectors tell much of a text: for its owner only
        with temporary.open("wb") as file:
            _write(file, owner, projection)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_snapshot(path: Path, owner: Owner) -> tuple[Index, NDArray[np.int64], int]:
    """The index, the ids of its slots, and its `seq`.

    Raises `IndexMismatch` where the file is damaged or another's, `FileNotFoundError` where there is none.
    """
    with path.open("rb") as file:
        _check_sum(file)
        header = _header(file, owner)
        ids = np.frombuffer(file.read(8 * header["count"]), np.int64)
        index = read_index(file.read)
    if index.ntotal != len(ids) or index.d != owner.dims or not is_graph(index):
        raise IndexMismatch("its index does not fit its header")
    return index, ids, header["seq"]


def _write(file: BinaryIO, owner: Owner, projection: Projection) -> None:
    checksum = 0

    def write(chunk: bytes) -> None:
        nonlocal checksum
        checksum = zlib.crc32(chunk, checksum)
        file.write(chunk)

    with projection.at_rest() as (index, ids, seq):
        header = {"format": FORMAT, **asdict(owner), "seq": seq, "count": len(ids)}
        write(json.dumps(header).encode() + b"\n")
        write(ids.tobytes())
        write_index(index, write)
    file.write(checksum.to_bytes(4, "little"))


def _check_sum(file: BinaryIO) -> None:
    """Leaves the file at its start: FAISS must not be given damaged bytes."""
    remaining = file.seek(0, os.SEEK_END) - 4
    file.seek(0)
    checksum = 0
    while remaining > 0 and (chunk := file.read(min(_CHUNK_BYTES, remaining))):
        checksum = zlib.crc32(chunk, checksum)
        remaining -= len(chunk)
    if remaining != 0 or file.read() != checksum.to_bytes(4, "little"):
        raise IndexMismatch("its checksum is wrong")
    file.seek(0)


def _header(file: BinaryIO, owner: Owner) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(file.readline(_LONGEST_HEADER_BYTES))
        theirs = {name: header[name] for name in ("format", *asdict(owner))}
    except (ValueError, TypeError, KeyError) as error:
        raise IndexMismatch("its header cannot be read") from error
    if theirs != {"format": FORMAT, **asdict(owner)}:
        raise IndexMismatch("it belongs to another scope, embedding model or version")
    return header
