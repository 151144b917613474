"""Conditions of SQL from what was asked for: what was not given is no condition. `mark` stands for a bound value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semcache.stores.store import Selection

Term = tuple[str, Sequence[object]]


def joined(terms: Iterable[Term]) -> tuple[str, list[object]]:
    """The terms whose first value was given, all of which must hold, and the values that they bind."""
    given = [(term, values) for term, values in terms if values[0] is not None]
    return " AND ".join(["true", *(term for term, _ in given)]), [value for _, values in given for value in values]


def plain_terms(selection: Selection, *, mark: str) -> list[Term]:
    """Over `entries e`: what every database keeps in columns of its own."""
    return [
        (f"e.namespace = {mark}", [selection.namespace]),
        (f"{mark} IN (e.requested_model, e.served_model)", [selection.model]),
        (f"e.kind = {mark}", [None if selection.kind is None else selection.kind.value]),
        (f"e.created_at < {mark}", [selection.created_before]),
    ]
