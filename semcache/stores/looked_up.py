"""What one look at a store asks for, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field

from semcache.entry import Entry, Scope

ExactPlace = tuple[Scope, str]  # a scope and an exact key in it


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The entry at each place, and those of the scopes in which a search could find anything."""

    entries: list[Entry | None]  # in the order of the places
    searchable: list[Scope]  # in the order in which they were asked about
    generations: list[int] = field(default_factory=list)  # of the places' scopes, where they were asked for
