"""Listing, removing and counting entries by what a `Selection` says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from semcache.entry import Entry, Exemplar
from semcache.stores.memory_holding import Held
from semcache.stores.paging import Order, Position
from semcache.stores.redis.catalogue import Catalogue, Row
from semcache.stores.redis.scopes import Found, Scopes
from semcache.stores.redis.servings import Servings
from semcache.stores.redis.spelling import row_of, spelled
from semcache.stores.redis.writing import Writing, is_under_way
from semcache.stores.store import Page, Selection

_Chosen = tuple[Row, Found]


@dataclass(frozen=True)
class Where:
    """Which part of a listing is meant: what it comes after, and what is first."""

    after: Position | None = None
    order: Order = Order.NEWEST


class Selecting:
    """Asks the catalogue who may be meant, and the entries themselves whether they are."""

    def __init__(self, scopes: Scopes, catalogue: Catalogue, servings: Servings, writing: Writing) -> None:
        self._scopes = scopes
        self._catalogue = catalogue
        self._servings = servings
        self._writing = writing

    def page(self, selection: Selection, where: Where, *, limit: int) -> Page:
        """Live entries in the order that was asked for."""
        shown: list[tuple[Position, Entry]] = []
        for portion in self._chosen(selection, where):
            live = [row for row, found in portion if found.is_live]
            bodies = self._scopes.read_all([row.place for row in live])
            for row, found in zip(live, bodies, strict=True):
                if found is not None and found.is_live:
                    shown.append((_position(row), found.entry))
            if len(shown) > limit:
                break
        more = shown[limit - 1][0].encode() if len(shown) > limit else None
        return Page(tuple(entry for _, entry in shown[:limit]), more)

    def count(self, selection: Selection) -> int:
        """How many live entries are meant."""
        return sum(found.is_live for portion in self._chosen(selection) for _, found in portion)

    def delete(self, selection: Selection) -> int:
        """Remove them, expired ones too; how many live ones there were. Generations grow first."""
        self._invalidate(selection)
        live = 0
        for portion in self._chosen(selection):
            live += self._writing.remove([row for row, _ in portion])[1]
        if selection.text is not None:
            self._forget_text(selection, selection.text)
        return live

    def scan(self) -> Iterator[tuple[Entry, list[Exemplar]]]:
        """Live entries in the order they were first stored."""
        for rows in self._catalogue.walk(":by_number", is_down=False):
            for _, found in self._present(rows, with_bodies=True, with_exemplars=True):
                if found.is_live:
                    yield found.entry, found.exemplars

    def _invalidate(self, selection: Selection) -> None:
        """Whatever of the selection is being answered now is not to be stored."""
        if selection.namespace is not None:
            namespaces = [spelled(selection.namespace)]
        elif selection.entry_ids is not None:
            rows = self._catalogue.locate([spelled(each) for each in selection.entry_ids])
            namespaces = sorted({row.namespace for row in rows.values()})
            if not namespaces:
                return
        else:
            namespaces = []
        scopes = self._catalogue.registered(namespaces)
        self._scopes.link.run_all([self._scopes.call("invalidate", scope) for scope in scopes])

    def _forget_text(self, selection: Selection, text: str) -> None:
        """Take from entries that stay what they still hold of a text."""
        for portion in self._chosen(replace(selection, text=None), with_exemplars=True):
            for _, found in portion:
                held = _held(found)
                held.servings = {each.serving.id: each.serving for each in self._servings.of(found.entry.id)}
                kept = {each.id for each in found.exemplars}
                gone = held.forget(text)
                self._writing.remove_exemplars(kept - {each.id for each in held.exemplars})
                if gone:
                    self._servings.remove(found.entry.id, gone)

    def _chosen(
        self, selection: Selection, where: Where | None = None, *, with_exemplars: bool = False
    ) -> Iterator[list[_Chosen]]:
        """Entries that meet every condition, expired ones too, newest first; without bodies, unless a text is meant."""
        by_text = selection.text is not None
        for rows in self._rows(selection, where or Where()):
            found = self._present(rows, with_bodies=by_text, with_exemplars=by_text or with_exemplars)
            if chosen := [(row, each) for row, each in found if _held(each).is_meant_by(selection)]:
                yield chosen

    def _rows(self, selection: Selection, where: Where) -> Iterator[list[Row]]:
        after = ("", "") if where.after is None else (repr(where.after.rank), f"{where.after.number:012x}")
        if selection.entry_ids is not None:
            yield self._named(selection.entry_ids, where)
        elif where.order is Order.HITS:  # one pass over all: an index for each tag would have to follow every hit
            yield from self._catalogue.walk(":by_hits", is_down=True, after=after)
        elif selection.tag is not None:
            yield from self._catalogue.walk(f":by_tag:{spelled(selection.tag)}", is_down=True, after=after)
        elif selection.namespace is not None:
            yield from self._catalogue.walk(f":by_namespace:{spelled(selection.namespace)}", is_down=True, after=after)
        else:
            yield from self._catalogue.walk(":by_age", is_down=True, after=after)

    def _named(self, entry_ids: Sequence[str], where: Where) -> list[Row]:
        located = self._catalogue.locate([spelled(each) for each in dict.fromkeys(entry_ids)]).values()
        ranked = [replace(row, score=str(row.hits)) for row in located] if where.order is Order.HITS else located
        rows = sorted(ranked, key=_position, reverse=True)
        return [row for row in rows if where.after is None or _position(row) < where.after]

    def _present(self, rows: list[Row], *, with_bodies: bool, with_exemplars: bool) -> list[_Chosen]:
        """Rows with their entries. What is left of a writer that died is put right on the way."""
        found = self._scopes.read_all(
            [row.place for row in rows], with_bodies=with_bodies, with_exemplars=with_exemplars
        )
        pairs = list(zip(rows, found, strict=True))
        settled = [(row, each) for row, each in pairs if not is_under_way(row)]
        if ghosts := [(row.place.id, row.revision) for row, each in settled if each is None]:
            self._catalogue.drop(ghosts)
        unrecorded = [row.place for row, each in settled if each is not None and row.is_pending]
        calls = [self._scopes.call("summary", each.scope, each.key, each.id) for each in unrecorded]
        self._catalogue.record_all([row_of(summary) for summary in self._scopes.link.run_all(calls) if summary])
        return [(row, each) for row, each in pairs if each is not None]


def _position(row: Row) -> Position:
    return Position(float(row.score), int(row.number, 16))


def _held(found: Found) -> Held:
    return Held(0, found.entry, 0, 0.0, exemplars=list(found.exemplars))
