"""What the memory store keeps of an entry, and whether a selection means it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter

from semcache.entry import Entry, Exemplar, Label
from semcache.request import encode_json
from semcache.stores.paging import Order, Position
from semcache.stores.store import Page, Selection, Serving
from semcache.stores.worth import worth_of


@dataclass
class Held:
    """An entry and what belongs to it."""

    number: int
    entry: Entry
    held_bytes: int
    heat: float
    exemplars: list[Exemplar] = field(default_factory=list)
    servings: dict[str, Serving] = field(default_factory=dict)

    @property
    def worth(self) -> float:
        return worth_of(self.heat, cost_usd=self.entry.cost_usd, held_bytes=self.held_bytes)

    def position(self, order: Order) -> Position:
        """Where it stands in a listing."""
        match order:
            case Order.NEWEST:
                return Position(self.entry.created_at, self.number)
            case Order.HITS:
                return Position(float(self.entry.hits), self.number)

    def is_meant_by(self, selection: Selection) -> bool:
        """Whether it meets every given condition."""
        entry = self.entry
        conditions = (
            selection.namespace in (None, entry.scope.namespace),
            selection.tag is None or selection.tag in entry.tags,
            selection.model in (None, entry.requested_model, entry.served_model),
            selection.kind in (None, entry.kind),
            selection.created_before is None or entry.created_at < selection.created_before,
            selection.entry_ids is None or entry.id in selection.entry_ids,
            selection.text is None or any(_mentions(text, selection.text) for text in self._answered()),
        )
        return all(conditions)

    def forget(self, text: str) -> list[str]:
        """Drop the exemplars and servings that mention this; the ids of the servings."""
        self.exemplars = [each for each in self.exemplars if not _mentions(each.text, text)]
        gone = [each.id for each in self.servings.values() if _mentions(each.question, text)]
        for serving_id in gone:
            del self.servings[serving_id]
        return gone

    def newest_servings(self, limit: int) -> list[Serving]:
        return sorted(self.servings.values(), key=lambda each: (-each.at, each.id))[: max(0, limit)]

    def _answered(self) -> list[str]:
        return [self.entry.question, *(each.text for each in self.exemplars if each.label is Label.POSITIVE)]


def least_worth(among: list[Held], expired: list[Held], *, surplus: int, surplus_bytes: int) -> list[Held]:
    """Of these, those whose removal leaves no surplus: expired ones first, then what saves least per byte."""
    gone = {held.number for held in expired}
    alive = sorted((held for held in among if held.number not in gone), key=lambda held: (held.worth, held.number))
    chosen = []
    for held in [*expired, *alive]:
        if surplus <= 0 and surplus_bytes <= 0:
            break
        chosen.append(held)
        surplus, surplus_bytes = surplus - 1, surplus_bytes - held.held_bytes
    return chosen


def page_of(placed: Iterable[tuple[Position, Entry]], *, limit: int, cursor: str | None) -> Page:
    """The entries behind a cursor, those in the highest places first. Raises `InvalidRequest`."""
    before = Position.decode(cursor)
    behind = sorted((pair for pair in placed if before is None or pair[0] < before), key=itemgetter(0))[::-1]
    more = behind[limit - 1][0].encode() if len(behind) > limit else None
    return Page(tuple(entry for _, entry in behind[:limit]), more)


def bytes_of(entry: Entry) -> int:
    return len(encode_json(entry.message.body)) + len(entry.question.encode("utf-8", "surrogatepass"))


def say_the_same(entry: Entry, other: Entry) -> bool:
    return encode_json(entry.message.body) == encode_json(other.message.body)


def _mentions(text: str, part: str) -> bool:
    return part.casefold() in text.casefold()
