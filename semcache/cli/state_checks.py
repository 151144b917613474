"""The doctor's checks of the machine and of what is stored on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from semcache.cli.finding import Finding, fail, ok, warn
from semcache.cli.redis_checks import is_redis, redis_store

if TYPE_CHECKING:
    from semcache.embedders.embedder import Embedder
    from semcache.entry import Scope
    from semcache.settings import Settings
    from semcache.stores.local.store import LocalStore

_LOW_DISK_BYTES = 1_000_000_000
_OTHERS = 0o007
_PAGE = 1000
_MOST_BREAKERS = 10


def access(settings: Settings) -> Iterator[Finding]:
    is_local = settings.host in ("127.0.0.1", "::1", "localhost")
    if not is_local and not settings.api_keys:
        yield warn("access", f"{settings.host} is open to everyone", "set SEMCACHE_API_KEYS")
    if settings.api_keys and not settings.anthropic_api_key and settings.upstream == "claude":
        yield fail("access", "service keys cannot be used at Claude", "set ANTHROPIC_API_KEY")
    folder = state_dir(settings)
    if folder is None or not folder.is_dir():
        return
    files = [*folder.glob("cache.sqlite3*"), *folder.glob("vectors-*.faiss")]
    exposed = [file for file in files if file.stat().st_mode & _OTHERS]
    for file in exposed:
        yield warn("access", f"{file} can be used by everyone on this machine", f"chmod o= {file}")
    if files and not exposed:
        yield ok("access", f"the {len(files)} files of the state are closed to other users")


def threads(settings: Settings) -> Iterator[Finding]:
    cores = os.cpu_count() or 1
    count = settings.threads or cores
    said = f"{count} for lookups, on {cores} cores"
    if count > cores:
        yield warn("threads", said, f"set SEMCACHE_THREADS to at most {cores}: a lookup keeps a core busy")
    else:
        yield ok("threads", said)


def disk(settings: Settings) -> Iterator[Finding]:
    folder = state_dir(settings)
    if folder is None:
        return
    there = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:.1f} GB free at {there}"
    if not os.access(there, os.W_OK):
        yield fail("disk", f"{there} cannot be written", "give this user the right to, or set SEMCACHE_DATA_DIR")
    elif free < _LOW_DISK_BYTES:
        yield warn("disk", said, "make room, or lower SEMCACHE_MAX_BYTES")
    else:
        yield ok("disk", said)


def store(settings: Settings) -> Iterator[Finding]:
    """First the file as it lies there; only a sound one is opened, as every command opens it."""
    from semcache.embedders.opening import open_embedder
    from semcache.opening import find_models_dir
    from semcache.stores.local.examination import problems_in
    from semcache.stores.opening import open_store

    if is_redis(settings):
        yield from redis_store(settings)
    if settings.store.startswith(("postgresql:", "postgres:")):
        from semcache.cli.postgres_checks import postgres

        yield from postgres(settings)
        return
    folder = state_dir(settings)
    if folder is None:
        open_store(settings.store, data_dir=settings.data_dir, space="none", dims=1).close()
        yield ok("store", f"{settings.store} keeps nothing that could be examined")
        return
    file = folder / "cache.sqlite3"
    if not file.exists():
        yield ok("store", f"{file} will be made at the first start")
        return
    if problems := problems_in(file):
        yield fail("store", f"{file}: {problems[0]}", "restore it from a backup, or move it aside")
        return
    embedder = open_embedder(settings.embedder, models_dir=find_models_dir(settings))
    try:
        yield from _opened(folder, embedder)
    finally:
        embedder.close()


def state_dir(settings: Settings) -> Path | None:
    """Where the local store keeps its files; None for other stores."""
    scheme, _, rest = settings.store.partition(":")
    if scheme != "local":
        return None
    return Path(rest) if rest else settings.data_dir


def _opened(folder: Path, embedder: Embedder) -> Iterator[Finding]:
    from semcache.stores.local.schema import MIGRATIONS
    from semcache.stores.local.store import LocalStore

    opened = LocalStore(folder, space=embedder.fingerprint, dims=embedder.dims)  # refuses a newer version's
    try:
        figures = opened.stats()
        yield ok("store", f"{figures.entries} entries, {figures.faq_entries} of them FAQ, {figures.hits} hits")
        yield ok("store", f"database version {list(MIGRATIONS)[-1]}, which is this semcache's")
        if foreign := opened.foreign_exemplars():
            finding = f"{foreign} questions were embedded by another model and cannot be found"
            yield warn("store", finding, "run `semcache models reembed`, or start the service")
        yield from _snapshots(folder, opened, embedder)
        yield from _prompts(opened)
    finally:
        opened.close()


def _snapshots(folder: Path, opened: LocalStore, embedder: Embedder) -> Iterator[Finding]:
    """Search each scope that has a snapshot: loading it compares it with SQLite, and rejects it where they differ."""
    from semcache.stores.local.snapshots import snapshot_path

    left = set(folder.glob("vectors-*.faiss"))
    if not left:
        yield ok("index", "no snapshot yet: it is for scopes of many thousand questions")
        return
    probe, agreed = embedder.embed("an index"), 0
    for scope in _scopes(opened):
        path = snapshot_path(folder, scope)
        if path not in left:
            continue
        left.discard(path)
        rejected = opened.snapshots_rejected
        opened.nearest(scope, probe, k=1)
        if opened.snapshots_rejected > rejected:
            finding = f"{path.name} does not agree with SQLite, so the index is built from SQLite, which takes longer"
            yield warn("index", finding, f"delete {path}: it will be written anew")
        agreed += opened.has_graph(scope)  # else its scope has become small, and the file is not read
    for path in sorted(left):
        yield warn("index", f"{path.name} belongs to no stored question", f"delete {path}")
    yield ok("index", f"{agreed} {'snapshot agrees' if agreed == 1 else 'snapshots agree'} with SQLite")


def _prompts(opened: LocalStore) -> Iterator[Finding]:
    """What the service saw that keeps prompts from being cached, as it last wrote it down."""
    from semcache.strategies.breakpoints.breakers import DOCUMENT, read_breakers

    content = opened.load_document(DOCUMENT)
    try:
        found = () if content is None else read_breakers(content)
    except (ValueError, TypeError):
        yield warn("prompts", "what breaks prompts is not readable", "start the service: it is learned anew")
        return
    for breaker in found[:_MOST_BREAKERS]:
        finding, _, remedy = breaker.says().partition("; " if breaker.offset is None else ", so ")
        yield warn("prompts", f"namespace {breaker.namespace}: {finding}", remedy)
    if not found:
        yield ok("prompts", "no prompt was seen that changes where it could be cached")


def _scopes(opened: LocalStore) -> Iterator[Scope]:
    from semcache.stores.store import Selection

    cursor: str | None = None
    while True:
        page = opened.page(Selection(), limit=_PAGE, cursor=cursor)
        yield from (entry.scope for entry in page.entries)
        if (cursor := page.next_cursor) is None:
            return
