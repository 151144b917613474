"""What people do to the cache by hand: import a FAQ, purge, embed anew."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from semcache.cache import Cache
from semcache.entry import Embedding, Entry, Exemplar, Kind, Origin, Scope, new_entry_id
from semcache.errors import StoreError
from semcache.faq import FaqError, FaqRow
from semcache.message import text_message
from semcache.search import faq_key
from semcache.stores.store import Selection

_ROWS_EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True)
class Narrowing:
    """Where an import belongs: a namespace, and within it a model or a system prompt, if given."""

    namespace: str = "default"
    model: str | None = None
    system_digest: str | None = None

    @property
    def scope(self) -> Scope:
        return Scope.faq(self.namespace, model=self.model, system=self.system_digest)


@dataclass
class ImportReport:
    """What an import did. An error in one row never loses another."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[FaqError] = field(default_factory=list)


def import_faq(
    cache: Cache,
    rows: Iterable[FaqRow | FaqError],
    *,
    into: Narrowing,
    tags: tuple[str, ...] = (),
    on_progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Store FAQ rows as curated entries; importing the same rows again changes nothing."""
    report = ImportReport()
    stream = iter(rows)
    while batch := list(itertools.islice(stream, _ROWS_EMBEDDED_AT_ONCE)):
        report.errors += [row for row in batch if isinstance(row, FaqError)]
        _import_batch(cache, [row for row in batch if isinstance(row, FaqRow)], into, tags, report)
        if on_progress is not None:
            on_progress(len(batch))
    return report


def purge(
    cache: Cache, selection: Selection, *, near: str | None = None, similarity: float = 0.85, dry_run: bool = False
) -> int:
    """Remove the selected entries; with `near`, only those with an exemplar at least this similar to the text."""
    if selection == Selection() and near is None:
        raise StoreError("purge: name at least one condition; to remove everything, purge by namespace")
    if near is not None:
        close_by = tuple(_near_ids(cache, cache.embedder.embed(near), similarity))
        chosen = close_by if selection.entry_ids is None else tuple({*close_by} & {*selection.entry_ids})
        selection = replace(selection, entry_ids=chosen)
    return cache.store.delete(selection, dry_run=dry_run)


def reembed(cache: Cache, *, on_progress: Callable[[int], None] | None = None) -> int:
    """Embed anew what another model embedded, so that it can be found again; the number of entries. Resumable."""
    count = 0
    for entry, exemplars in cache.store.scan() if cache.store.foreign_exemplars() else ():
        if all(_is_of_this_model(each) for each in exemplars):
            continue
        embeddings = cache.embedder.embed_many([each.text for each in exemplars])
        fresh = [replace(each, embedding=made) for each, made in zip(exemplars, embeddings, strict=True)]
        cache.store.put(entry, fresh)
        count += 1
        if on_progress is not None:
            on_progress(count)
    return count


def _is_of_this_model(exemplar: Exemplar) -> bool:
    return bool(exemplar.embedding.vector.any())  # a store gives zeros for vectors of another model


def _near_ids(cache: Cache, target: Embedding, similarity: float) -> Iterator[str]:
    for entry, exemplars in cache.store.scan():
        if any(float(each.embedding.vector @ target.vector) >= similarity for each in exemplars):
            yield entry.id


def _import_batch(
    cache: Cache, rows: list[FaqRow], into: Narrowing, tags: tuple[str, ...], report: ImportReport
) -> None:
    scope = into.scope
    changed = []
    for row in rows:
        existing = cache.store.get_exact(scope, faq_key(scope, row.question))
        if existing is not None and _is_same(cache, existing, row, tags):
            report.unchanged += 1
            continue
        report.added += existing is None
        report.updated += existing is not None
        changed.append(row)
    texts = [text for row in changed for text in (row.question, *row.variants)]
    embeddings = iter(cache.embedder.embed_many(texts))
    for row in changed:
        entry = _entry(row, scope, _tags(row, tags), cache.now())
        wordings = (row.question, *row.variants)
        exemplars = [
            Exemplar(entry.id, text, next(embeddings), origin=Origin.IMPORT, created_at=entry.created_at)
            for text in wordings
        ]
        cache.store.put(entry, exemplars)


def _is_same(cache: Cache, existing: Entry, row: FaqRow, tags: tuple[str, ...]) -> bool:
    if existing.message.text != row.answer or existing.tags != _tags(row, tags):
        return False
    imported = [each for each in cache.store.exemplars(existing.id) if each.origin is Origin.IMPORT]
    return all(map(_is_of_this_model, imported)) and {each.text for each in imported} == {row.question, *row.variants}


def _tags(row: FaqRow, tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*row.tags, *tags}))


def _entry(row: FaqRow, scope: Scope, tags: tuple[str, ...], now: float) -> Entry:
    usage = {"input_tokens": 0, "output_tokens": 0}  # estimated for the model that is asked, when served
    return Entry(
        id=new_entry_id(),
        scope=scope,
        key=faq_key(scope, row.question),
        kind=Kind.FAQ,
        question=row.question,
        message=text_message(row.answer, model="", message_id="msg_faq", usage=usage),
        requested_model="",
        served_model="",
        cost_usd=0.0,
        created_at=now,
        expires_at=None,
        tags=tags,
    )
