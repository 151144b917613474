"""Which requests go upstream together: within Claude's limits, and next to those that share their prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from semcache.batching.requests import FRAME_BYTES, MAX_BODY_BYTES, MAX_REQUESTS
from semcache.canonical import digest
from semcache.errors import InvalidRequest
from semcache.request import Json


class Prefix(NamedTuple):
    """What the prompt cache can share: the head, and what is marked of the conversation behind it."""

    head: str  # model, tools, system
    marked: str = ""  # turns up to the last cache_control mark; empty: none is marked


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request to be sent, as far as splitting must know it. `size_bytes` is that of `write_request`."""

    place: int
    size_bytes: int
    prefix: Prefix
    lane: str = ""  # what one upstream batch has in common: credential, API version, betas


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one upstream batch may hold."""

    max_requests: int = MAX_REQUESTS
    max_bytes: int = MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class Load:
    """One upstream batch to be: the places of its requests, in the order in which they are sent."""

    lane: str
    places: tuple[int, ...]
    size_bytes: int


def prefix_of(params: Json) -> Prefix:
    """The shared part of a request, as digests."""
    head = digest([params.get("model"), params.get("tools"), params.get("system")])
    marked = _marked(params.get("messages"))
    return Prefix(head, digest(marked) if marked else "")


def split(parcels: Sequence[Parcel], limits: Limits | None = None) -> list[Load]:
    """Every parcel in exactly one load. Requests with one prefix stay in their order, and together where a load
    can hold them all; a head is torn apart before a marked conversation is.
    """
    bounds = limits or Limits()
    loads: list[Load] = []
    for lane, of_lane in _grouped(parcels, lambda parcel: parcel.lane).items():
        packer = _Packer(lane, bounds)
        for of_head in _grouped(of_lane, lambda parcel: parcel.prefix.head).values():
            packer.add(list(_grouped(of_head, lambda parcel: parcel.prefix.marked).values()))
        loads += packer.finish()
    return loads


class _Packer:
    """Fills the loads of one lane, one after the other."""

    def __init__(self, lane: str, limits: Limits) -> None:
        self._lane = lane
        self._limits = limits
        self._done: list[Load] = []
        self._open: list[int] = []
        self._size_bytes = FRAME_BYTES

    def add(self, groups: list[list[Parcel]]) -> None:
        """Parcels with one head, by what is marked of them."""
        if len(groups) > 1 and not self._makes_room([parcel for group in groups for parcel in group]):
            for group in groups:
                self.add([group])
            return
        for group in groups:
            self._makes_room(group)
            for parcel in group:
                self._put(parcel)

    def finish(self) -> list[Load]:
        self._close()
        return self._done

    def _makes_room(self, parcels: list[Parcel]) -> bool:
        """Whether these fit into one load; where that is so, the next one they go into has room for them all."""
        size_bytes = sum(parcel.size_bytes + 1 for parcel in parcels)
        if not self._fits(len(parcels), FRAME_BYTES + size_bytes):
            return False
        if not self._fits(len(self._open) + len(parcels), self._size_bytes + size_bytes):
            self._close()
        return True

    def _put(self, parcel: Parcel) -> None:
        cost_bytes = parcel.size_bytes + 1  # with the comma
        if not self._fits(1, FRAME_BYTES + cost_bytes):
            raise InvalidRequest(f"requests.{parcel.place}: larger than the {self._limits.max_bytes} bytes of a batch")
        if not self._fits(len(self._open) + 1, self._size_bytes + cost_bytes):
            self._close()
        self._open.append(parcel.place)
        self._size_bytes += cost_bytes

    def _fits(self, count: int, size_bytes: int) -> bool:
        return count <= self._limits.max_requests and size_bytes <= self._limits.max_bytes

    def _close(self) -> None:
        if self._open:
            self._done.append(Load(self._lane, tuple(self._open), self._size_bytes))
        self._open, self._size_bytes = [], FRAME_BYTES


def _grouped(parcels: Sequence[Parcel], key: Any) -> dict[str, list[Parcel]]:
    """By key, in the order in which each key first occurs."""
    groups: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        groups.setdefault(key(parcel), []).append(parcel)
    return groups


def _marked(messages: Any) -> list[Any]:
    """Role and content of all turns up to the last marked block, that one included."""
    if not isinstance(messages, list):
        return []
    for turn in range(len(messages) - 1, -1, -1):
        content = messages[turn].get("content") if isinstance(messages[turn], dict) else None
        blocks = content if isinstance(content, list) else []
        for place in range(len(blocks) - 1, -1, -1):
            if isinstance(blocks[place], dict) and blocks[place].get("cache_control") is not None:
                return [*messages[:turn], [messages[turn].get("role"), blocks[: place + 1]]]
    return []
