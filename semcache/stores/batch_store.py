"""The protocol under which accepted batches are kept: what must outlive the process, and nothing else.

Every method is thread-safe, one transaction, and raises `StoreError`. Custom ids, places and states are kept apart
from bodies, so that following a batch never reads a prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from semcache.batching.batch_life import BatchState, Terms
from semcache.batching.message_batch import Counts
from semcache.batching.splitting import Prefix
from semcache.batching.states import ItemState
from semcache.errors import StoreError, StoreUnavailable

NO_PREFIX = Prefix("")


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch but for its requests. `asked` is JSON: caller, headers and query, never a credential."""

    id: str
    credential: str  # HMAC of whose it is
    accepted_at: float
    base_url: str
    terms: Terms
    asked: bytes = field(repr=False)
    sealed: bytes | None = field(default=None, repr=False)  # the credential headers, until it has ended
    state: BatchState | None = None  # None: its requests are still arriving
    total: int = 0
    counts: Counts | None = None  # once it has ended


@dataclass(frozen=True, slots=True)
class NewItem:
    """One request as it arrived; `params` is JSON."""

    custom_id: str
    params: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Item:
    """Where one request stands. `behind`: the request whose end it waits for before anything is done."""

    place: int
    custom_id: str
    state: ItemState
    behind: int | None = None
    prefix: Prefix = NO_PREFIX  # of what is to be sent
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Shaped:
    """What is to be sent for a request, as JSON: params, and how the strategies came to them."""

    content: bytes = field(repr=False)
    prefix: Prefix
    size_bytes: int
    twin_key: str = ""  # equal for requests that mean the same; empty: it is like no other


@dataclass(frozen=True, slots=True)
class Body:
    """The texts of a request: as it came and, once it has been looked up, as it is to be sent."""

    params: bytes = field(repr=False)
    shaped: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One create upstream, recorded before it is tried. `places` are in the order of its ordinals."""

    marker: str
    places: tuple[int, ...]
    tried_at: float
    upstream_id: str | None = None  # None: nobody knows yet whether it arrived
    is_over: bool = False  # its results are in, or it came to nothing


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of some requests of a batch, all of it or nothing."""

    states: Mapping[int, ItemState] = field(default_factory=dict)
    behind: Mapping[int, int] = field(default_factory=dict)
    shaped: Mapping[int, Shaped] = field(default_factory=dict)
    results: Mapping[int, bytes] = field(default_factory=dict)  # result lines, with their line ends
    dispatch: Dispatch | None = None


@dataclass(frozen=True, slots=True)
class BatchListing:
    """One page of a caller's batches, newest first."""

    records: tuple[BatchRecord, ...]
    has_more: bool


class BatchStore(Protocol):
    """Batches, their requests, their sendings and their results."""

    def take_charge(self) -> bool:
        """Become the one office that works on these batches; False: there is one, in this process or another."""
        ...

    def keeps_charge(self) -> bool:
        """Whether nobody else can be in charge, after it was taken here: over a network it can be lost."""
        ...

    # arrival
    def begin(self, record: BatchRecord) -> None:
        """A batch whose requests are arriving: nobody sees it yet."""
        ...

    def add(self, batch_id: str, first_place: int, items: Sequence[NewItem]) -> None:
        """The next requests of an arriving batch."""
        ...

    def accept(self, batch_id: str, state: BatchState, *, total: int) -> None:
        """All are here: from now on the batch exists."""
        ...

    def discard_arriving(self, *, before: float) -> int:
        """Forget batches that began to arrive before then and never were accepted; how many."""
        ...

    # batches
    def batch(self, batch_id: str) -> BatchRecord | None:
        """An accepted batch."""
        ...

    def unended(self) -> list[BatchRecord]:
        """Accepted batches with work left, oldest first."""
        ...

    def newest(self, *, limit: int) -> list[BatchRecord]:
        """Accepted batches, whoever's they are, newest first."""
        ...

    def ended_before(self, accepted_before: float) -> list[BatchRecord]:
        """Batches with results, accepted before then."""
        ...

    def listing(
        self, credential: str, *, limit: int, after_id: str | None = None, before_id: str | None = None
    ) -> BatchListing:
        """A page of the batches of a credential: those after an id, or the last ones before it."""
        ...

    def move(self, batch_id: str, state: BatchState, *, instead_of: BatchState) -> bool:
        """Change the state of a batch, where it is still the other."""
        ...

    def end(self, batch_id: str, state: BatchState, counts: Counts) -> None:
        """It has ended: its prompts and its credential are forgotten, its results are kept."""
        ...

    def archive(self, batch_id: str, state: BatchState) -> None:
        """Forget the results too."""
        ...

    def delete(self, batch_id: str) -> None:
        """Forget all of it."""
        ...

    # requests
    def counts(self, batch_id: str) -> Counts:
        """How the requests stand."""
        ...

    def items(self, batch_id: str, states: Sequence[type], *, after: int = -1, limit: int) -> list[Item]:
        """Requests in one of these states, in order of place, behind this place."""
        ...

    def items_at(self, batch_id: str, places: Sequence[int]) -> list[Item]:
        """These requests, in order of place."""
        ...

    def ready(self, batch_id: str, state: type, *, limit: int) -> list[Item]:
        """Requests in this state that wait for no other, in order of place."""
        ...

    def bodies(self, batch_id: str, places: Sequence[int]) -> dict[int, Body]:
        """The texts of these requests."""
        ...

    def twin(self, batch_id: str, twin_key: str) -> int | None:
        """The first request that is to be sent under this key."""
        ...

    def apply(self, batch_id: str, change: Change) -> None:
        """Make the change, in one transaction."""
        ...

    def dispatches(self, batch_id: str) -> list[Dispatch]:
        """The sendings of a batch that are not over, oldest first."""
        ...

    def upstream_ids(self) -> frozenset[str]:
        """All batches upstream that are known to be ours."""
        ...

    def results(self, batch_id: str, *, after: int = -1, limit: int) -> list[tuple[int, bytes]]:
        """Result lines with their places, in order."""
        ...

    def leave_charge(self) -> None:
        """Let others take charge. Only for whoever has it."""
        ...


def batches_of(store: object) -> BatchStore:
    """The batches of a store. Raises `StoreUnavailable` where it keeps none."""
    kept: BatchStore | None = getattr(store, "batches", None)
    if kept is None:
        raise StoreUnavailable("this store keeps no batches; use `local:` or `memory:`")
    return kept


def counted(store: BatchStore, records: Iterable[BatchRecord]) -> Iterator[tuple[BatchRecord, Counts]]:
    """Each of these with how its requests stand; one that was removed meanwhile, as our own are, is passed over."""
    for record in records:
        try:
            counts = record.counts or store.counts(record.id)
        except StoreError:
            if store.batch(record.id) is not None:
                raise
        else:
            yield record, counts
