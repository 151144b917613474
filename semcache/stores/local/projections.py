"""The projections of all scopes in use: loaded at the first search, kept within a memory budget."""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from semcache.entry import Scope
from semcache.errors import IndexMismatch
from semcache.stores.local.database import Database
from semcache.stores.local.entries import Space
from semcache.stores.local.loading import follow, project, project_graph, project_snapshot
from semcache.stores.local.snapshots import Owner, read_snapshot, snapshot_path, write_snapshot
from semcache.stores.local.tuning import Tuning
from semcache.stores.projection import Projection
from semcache.stores.stored import scope_key
from semcache.stores.upkeep import Chore

if TYPE_CHECKING:
    from semcache.entry import Vector


logger = logging.getLogger(__name__)

Forget = Callable[[Sequence[int]], None]

_LOADING_LOCKS = 16  # loads of different scopes seldom wait for each other


class Projections:
    """Finds exemplars by vector. What it returns may lag behind the database by nothing that was committed before."""

    def __init__(self, database: Database, space: Space, *, fingerprint: str, tuning: Tuning, forget: Forget) -> None:
        """`forget` is told which exemplars were found to be removed."""
        self.snapshots_rejected = 0
        self._database = database
        self._directory: Path = database.path.parent
        self._space = space
        self._fingerprint = fingerprint
        self._tuning = tuning
        self._forget = forget
        self._lock = Lock()
        self._loaded: OrderedDict[Scope, Projection] = OrderedDict()
        self._loading = [Lock() for _ in range(_LOADING_LOCKS)]
        self._due: set[Scope] = set()
        self._upkeep = Chore("index-upkeep", self._keep_up)

    def nearest_ids(
        self, connection: sqlite3.Connection, scope: Scope, query: Vector, *, k: int, now: float
    ) -> list[int]:
        """Ids among which are the k nearest live exemplars: few more, or all of a small scope, expired ones too."""
        projection = self._find(scope)
        if projection is None and (few := self._few(connection, scope)) is not None:
            return few
        if projection is None or not self._is_current(connection, scope, projection):
            projection = self._load(connection, scope, unlike=projection)
        if self._needs_upkeep(projection):
            self._ask_upkeep(scope)
        return projection.search(query, k=k, now=now)

    @property
    def memory_bytes(self) -> int:
        with self._lock:
            return sum(projection.memory_bytes for projection in self._loaded.values())

    def has_graph(self, scope: Scope) -> bool:
        projection = self._find(scope)
        return projection is not None and projection.is_graph

    def close(self) -> None:
        """Stop the upkeep, and save what it had not saved. May be called twice."""
        self._upkeep.stop()
        for scope, projection in list(self._loaded.items()):
            if projection.is_graph and projection.unsaved:
                self._save(scope, projection)

    # on the path of a request

    def _find(self, scope: Scope) -> Projection | None:
        with self._lock:
            if scope in self._loaded:
                self._loaded.move_to_end(scope)
            return self._loaded.get(scope)

    def _is_current(self, connection: sqlite3.Connection, scope: Scope, projection: Projection) -> bool:
        """Whether it could be brought up to the newest commit."""
        removed = follow(connection, projection, scope_key(scope), self._space)
        if removed:
            self._forget(removed)
        return removed is not None

    def _few(self, connection: sqlite3.Connection, scope: Scope) -> list[int] | None:
        most = self._tuning.direct_exemplars
        rows = connection.execute(
            "SELECT id FROM exemplars WHERE scope = ? AND space = ? LIMIT ?",
            (scope_key(scope), self._space.id, most + 1),
        ).fetchall()
        return [exemplar_id for (exemplar_id,) in rows] if len(rows) <= most else None

    def _load(self, connection: sqlite3.Connection, scope: Scope, *, unlike: Projection | None) -> Projection:
        key = scope_key(scope)
        with self._loading[key[0] % _LOADING_LOCKS]:
            found = self._find(scope)  # another thread may have been quicker
            if found is not None and found is not unlike and self._is_current(connection, scope, found):
                return found
            projection = self._from_snapshot(connection, scope) or project(connection, key, self._space)
            self._keep(scope, projection)
            return projection

    def _from_snapshot(self, connection: sqlite3.Connection, scope: Scope) -> Projection | None:
        path = snapshot_path(self._directory, scope)
        try:
            snapshot = read_snapshot(path, self._owner(scope))
            return project_snapshot(connection, scope_key(scope), self._space, snapshot)
        except FileNotFoundError:
            return None
        except (IndexMismatch, OSError) as error:
            self.snapshots_rejected += 1
            logger.warning("snapshot %s not used, its index is built from SQLite: %s", path.name, error)
            return None

    def _keep(self, scope: Scope, projection: Projection) -> None:
        with self._lock:
            self._loaded[scope] = projection
            self._loaded.move_to_end(scope)
            used = sum(each.memory_bytes for each in self._loaded.values())
            while used > self._tuning.memory_bytes and len(self._loaded) > 1:
                _, dropped = self._loaded.popitem(last=False)
                used -= dropped.memory_bytes

    # upkeep

    def _needs_upkeep(self, projection: Projection) -> bool:
        return self._needs_rebuild(projection) or self._needs_saving(projection)

    def _needs_rebuild(self, projection: Projection) -> bool:
        outgrown = not projection.is_graph and projection.live >= self._tuning.graph_exemplars
        return outgrown or projection.dead_share > self._tuning.dead_share

    def _needs_saving(self, projection: Projection) -> bool:
        return projection.is_graph and projection.unsaved > self._tuning.unsaved_share * len(projection.ids)

    def _ask_upkeep(self, scope: Scope) -> None:
        with self._lock:
            self._due.add(scope)
        self._upkeep.ask()

    def _keep_up(self) -> None:
        while self._due and not self._upkeep.is_stopped():
            with self._lock:
                scope = next(iter(self._due))
            try:
                self._keep_up_one(scope)
            finally:
                with self._lock:
                    self._due.discard(scope)

    def _keep_up_one(self, scope: Scope) -> None:
        projection = self._find(scope)
        if projection is not None and self._needs_rebuild(projection):
            projection = self._rebuilt(scope, projection)
        if projection is not None and self._needs_saving(projection):
            self._save(scope, projection)

    def _rebuilt(self, scope: Scope, old: Projection) -> Projection | None:
        """A new projection in the old one's place; None where it was stopped, or too slow for the change log."""
        key = scope_key(scope)
        with self._database.reading() as connection:
            if old.live >= self._tuning.graph_exemplars:
                new = project_graph(connection, key, self._space, stopped=self._upkeep.is_stopped)
            else:
                new = project(connection, key, self._space)
            if new is None or not self._is_current(connection, scope, new):
                return None
        self._keep(scope, new)
        logger.info(
            "index of scope %s rebuilt: %d exemplars, %s", scope.short, new.live, "graph" if new.is_graph else "exact"
        )
        return new

    def _save(self, scope: Scope, projection: Projection) -> None:
        path = snapshot_path(self._directory, scope)
        projection.unsaved = 0
        try:
            write_snapshot(path, self._owner(scope), projection)
        except OSError as error:
            projection.unsaved = 1  # tried again at close, or after as many changes as before
            logger.warning("snapshot %s not written: %s", path.name, error.strerror)

    def _owner(self, scope: Scope) -> Owner:
        return Owner.of(scope, space=self._fingerprint, dims=self._space.dims)
