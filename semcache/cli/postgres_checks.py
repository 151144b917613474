"""The doctor's checks of a PostgreSQL store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from semcache.cli.finding import Finding, ok, warn

if TYPE_CHECKING:
    from semcache.settings import Settings
    from semcache.stores.postgres.examination import Facts

_SLOW_MS = 5.0  # a lookup asks two or three times
_SKEW_SECONDS = 1.0


def postgres(settings: Settings) -> Iterator[Finding]:
    """Of the server, the extension, the way there, and both clocks."""
    from semcache.embedders.opening import open_embedder
    from semcache.opening import find_models_dir
    from semcache.stores.postgres.address import read_address
    from semcache.stores.postgres.store import PostgresStore

    embedder = open_embedder(settings.embedder, models_dir=find_models_dir(settings))
    address = read_address(settings.store)
    store = PostgresStore(address, space=embedder.fingerprint, dims=embedder.dims)
    try:
        facts = store.examine()
        yield ok("store", f"{address.shown}: version {facts.server}, pgvector {facts.pgvector}, schema {facts.schema}")
        figures = store.stats()
        yield ok("store", f"{figures.entries} entries, {figures.faq_entries} of them FAQ, {figures.hits} hits")
        if foreign := store.foreign_exemplars():
            finding = f"{foreign} questions were embedded by another model and cannot be found"
            yield warn("store", finding, "run `semcache models reembed`, or start the service")
        yield from _judged(facts)
    finally:
        store.close()
        embedder.close()


def _judged(facts: Facts) -> Iterator[Finding]:
    way = f"{facts.round_trip_ms:.2f} ms there and back"
    if facts.round_trip_ms > _SLOW_MS:
        yield warn("store", way, "bring it nearer: every lookup asks it two or three times")
    else:
        yield ok("store", way)
    skew = (
        f"its clock is {abs(facts.clock_ahead_seconds):.3f} s {'ahead' if facts.clock_ahead_seconds > 0 else 'behind'}"
    )
    if abs(facts.clock_ahead_seconds) > _SKEW_SECONDS:
        yield warn("store", skew, "answers expire by its clock: keep both in time with NTP")
    else:
        yield ok("store", skew)
    if not facts.is_synchronous:
        yield warn("store", "synchronous_commit is off", "a crash loses the last answers and ledger rows; turn it on")
    if facts.missing_indexes:
        finding = f"{facts.missing_indexes} vector indexes are missing, so searches compare with everything"
        yield warn("store", finding, "run `semcache store maintain`")
