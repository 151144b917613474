"""Moving house: all that one store holds, into another. What was moved before is not moved again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice

from semcache.decision.beliefs import LABELS_KEPT
from semcache.entry import Embedding, Entry, Exemplar
from semcache.errors import StoreError
from semcache.learning.audit_log import AUDIT
from semcache.learning.audit_log import KEPT as AUDITS_KEPT
from semcache.learning.keeping import LABEL
from semcache.learning.reports import says_same, withdrawn_key
from semcache.request import encode_json
from semcache.stores.ledger_book import LedgerQuery, LedgerRow
from semcache.stores.store import Selection, Store

EmbedMany = Callable[[Sequence[str]], list[Embedding]]

_DAY_SECONDS = 86_400.0
_LEDGER_ROWS = 5_000  # read at a time
_SERVINGS = 1_000  # of one entry
_AT_ONCE = 500  # entries that are asked for again
_COPIED = "copied/"  # documents of the target: which entries have been copied into it, by their digests
_DIGEST_BYTES = 8  # that one of a million is taken for another by mistake: once in 10^13 entries
_COPIED_AT_ONCE = 5_000


@dataclass
class Moved:
    """How much of each kind was moved; `known` entries were there already, `embedded` texts came from another model.

    `left_out`: entries that were copied before, or reported as wrong, and that the target has removed since.
    """

    entries: int = 0
    known: int = 0
    left_out: int = 0
    embedded: int = 0
    withdrawn: int = 0
    servings: int = 0
    observations: int = 0
    documents: int = 0
    ledger_rows: int = 0


def move(
    source: Store,
    target: Store,
    *,
    embed_many: EmbedMany,
    on_progress: Callable[[int], None] = lambda count: None,
    anew: bool = False,
) -> Moved:
    """Copy everything but batches. Both may be in use; what the source gets meanwhile is copied by the next call.

    What a service has learned and booked in the target stays there: it has begun from what was copied before. What it
    has removed since stays removed, unless all is to be copied `anew`.
    Resumable: call it again. An entry that is removed from the source while it is being copied is removed from the
    target too. `on_progress` is told how many entries have been looked at. Raises `StoreError`, first of all where the
    target knows tenants by another secret: their answers could not be found there.
    """
    moved = Moved()
    _move_secrets(source, target)
    is_used = _has_rows_of_its_own(source, target)
    moved.documents = _move_documents(source, target, is_used=is_used)
    moved.observations = _move_observations(source, target)
    moved.ledger_rows = _move_ledger(source, target)
    names = []
    with _copied(target) as copied:
        for place, (entry, exemplars) in enumerate(source.scan(), start=1):
            names.append(entry.id)
            if _is_there(target, entry, exemplars, is_used=is_used):
                moved.known += 1
            elif not anew and (entry.id in copied or _is_refuted(target, entry)):
                moved.left_out += 1
            else:
                _move_entry(source, target, entry, _of_this_model(exemplars, embed_many, moved), moved)
            copied.add(entry.id)
            on_progress(place)
    target.flush()
    moved.withdrawn = _withdraw(source, target, names)
    return moved


def _move_secrets(source: Store, target: Store) -> None:
    for name, value in source.secrets().items():
        if not target.keep_secret(name, value):
            raise StoreError(
                f"store copy: the target has a secret {name!r} of its own, so it would not know the tenants of the "
                "source; copy into a store that no service has used yet"
            )


def _has_rows_of_its_own(source: Store, target: Store) -> bool:
    """Whether a service uses the target already: on its newest day it has booked what the source does not know."""
    days = target.ledger_groups(LedgerQuery(by=("day",)))
    if not days:
        return False
    newest = _day(days[-1].key[0])
    theirs = Counter(_identity(row) for row in _rows(source, newest))
    return any(theirs[_identity(row)] == 0 for row in _rows(target, newest))


def _move_documents(source: Store, target: Store, *, is_used: bool) -> int:
    count = 0
    for name in source.documents(""):
        if name.startswith(_COPIED):
            continue  # into the source, not out of it
        content, kept = source.load_document(name), target.load_document(name)
        if content is not None and content != kept and (kept is None or not is_used):
            target.save_document(name, content)
            count += 1
    return count


def _move_observations(source: Store, target: Store) -> int:
    """Of each kind all at once, in one transaction: so they are there, or not."""
    count = 0
    for kind, most in ((LABEL, LABELS_KEPT), (AUDIT, AUDITS_KEPT)):
        if target.observations(kind, limit=1):
            continue
        rows = source.observations(kind, limit=most)
        target.observe(rows[::-1])
        count += len(rows)
    return count


def _move_ledger(source: Store, target: Store) -> int:
    """Day by day what the target lacks. A day that was rolled up is put in the place of what the target has of it."""
    count = 0
    for group in source.ledger_groups(LedgerQuery(by=("day",))):
        day = _day(group.key[0])
        rows, kept = list(_rows(source, day)), list(_rows(target, day))
        if any(row.requests > 1 for row in (*rows, *kept)):
            lacking = rows if _requests(rows) != _requests(kept) else []
            if lacking:
                target.replace_ledger(day.since or 0.0, day.until or 0.0, lacking)
        else:
            lacking = _lacking(rows, kept)
            for first in range(0, len(lacking), _LEDGER_ROWS):
                target.book(lacking[first : first + _LEDGER_ROWS])
        count += len(lacking)
    return count


def _day(name: str) -> LedgerQuery:
    begin = datetime.fromisoformat(name).replace(tzinfo=UTC).timestamp()
    return LedgerQuery(since=begin, until=begin + _DAY_SECONDS)


def _lacking(rows: list[LedgerRow], kept: list[LedgerRow]) -> list[LedgerRow]:
    known, lacking = Counter(map(_identity, kept)), []
    for row in rows:
        if known[_identity(row)] == 0:
            lacking.append(row)
        known[_identity(row)] -= 1
    return lacking


def _identity(row: LedgerRow) -> tuple[object, ...]:
    """What no store rounds."""
    whose = (round(row.at, 3), row.namespace, row.label, row.outcome, row.served_model)
    return (*whose, row.cost_usd, row.baseline_usd, row.input_tokens, row.output_tokens)


def _requests(rows: list[LedgerRow]) -> int:
    return sum(row.requests for row in rows)


def _rows(store: Store, query: LedgerQuery) -> Iterator[LedgerRow]:
    after = 0
    while portion := store.ledger_rows(query, after=after, limit=_LEDGER_ROWS):
        yield from (row for _, row in portion)
        after = portion[-1][0]


def _is_there(target: Store, entry: Entry, exemplars: list[Exemplar], *, is_used: bool) -> bool:
    """What a service may have edited since is left as it is, and what it has learned itself for the same request."""
    known = target.get(entry.id)
    if is_used and known is None:
        known = target.get_exact(entry.scope, entry.key)
    if known is None or is_used:
        return known is not None
    if encode_json(known.message.body) != encode_json(entry.message.body):
        return False
    kept = target.exemplars(entry.id)
    return all(each.embedding.vector.any() for each in kept) and _labels(kept) == _labels(exemplars)


def _is_refuted(target: Store, entry: Entry) -> bool:
    """Whether people have told the target that this answer to this request is wrong."""
    withdrawn = target.get_exact(entry.scope, withdrawn_key(entry.key))
    return withdrawn is not None and says_same(withdrawn.message, entry.message)


@contextmanager
def _copied(target: Store) -> Iterator[_Copied]:
    """To be asked and added to; kept at the end, and where a copy breaks off. Raises `StoreError`."""
    copied = _Copied(target)
    try:
        yield copied
    except BaseException:
        with suppress(StoreError):  # it may be what broke
            copied.write()
        raise
    copied.write()


class _Copied:
    """Which entries have been copied into a store, so that one it has not was removed there. Raises `StoreError`."""

    def __init__(self, target: Store) -> None:
        self._target = target
        self._written = len(target.documents(_COPIED))
        self._digests = {each for place in range(self._written) for each in self._read(place)}
        self._unwritten: list[bytes] = []

    def __contains__(self, entry_id: str) -> bool:
        return _digest(entry_id) in self._digests

    def add(self, entry_id: str) -> None:
        if (digest := _digest(entry_id)) not in self._digests:
            self._digests.add(digest)
            self._unwritten.append(digest)
        if len(self._unwritten) >= _COPIED_AT_ONCE:
            self.write()

    def write(self) -> None:
        """Keep what has come since; what was kept before, by another copy at the same time too, is not written over."""
        content, self._unwritten = b"".join(self._unwritten), []
        while content:
            is_kept = self._target.swap_document(_name(self._written), content, version=0)
            content, self._written = b"" if is_kept else content, self._written + 1

    def _read(self, place: int) -> list[bytes]:
        kept = self._target.load_document(_name(place)) or b""
        return [kept[first : first + _DIGEST_BYTES] for first in range(0, len(kept), _DIGEST_BYTES)]


def _name(place: int) -> str:
    return f"{_COPIED}{place:06}"


def _digest(entry_id: str) -> bytes:
    return blake2b(entry_id.encode(), digest_size=_DIGEST_BYTES).digest()


def _labels(exemplars: list[Exemplar]) -> list[tuple[str, str, str]]:
    return sorted((each.text, each.label.name, each.key) for each in exemplars)


def _of_this_model(exemplars: list[Exemplar], embed_many: EmbedMany, moved: Moved) -> list[Exemplar]:
    """A store gives zeros for the vectors of another model: such texts are embedded anew."""
    foreign = [each.text for each in exemplars if not each.embedding.vector.any()]
    made = iter(embed_many(foreign)) if foreign else iter(())
    moved.embedded += len(foreign)
    return [each if each.embedding.vector.any() else replace(each, embedding=next(made)) for each in exemplars]


def _move_entry(source: Store, target: Store, entry: Entry, exemplars: list[Exemplar], moved: Moved) -> None:
    target.put(entry, exemplars)
    moved.entries += 1
    for serving in reversed(source.servings_of(entry.id, limit=_SERVINGS)):
        target.record_serving(serving)
        moved.servings += 1


def _withdraw(source: Store, target: Store, names: list[str]) -> int:
    """What was removed from the source while it was being copied must not live on in the target."""
    count, rest = 0, iter(names)
    while portion := list(islice(rest, _AT_ONCE)):
        gone = tuple(name for name in portion if source.get(name) is None and target.get(name) is not None)
        if gone:
            count += target.delete(Selection(entry_ids=gone))
    return count
