"""Finding what is near: the vector set of a scope finds candidates, their vectors as they were stored rank them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from semcache.entry import Scope
from semcache.stores.looked_up import ExactPlace, LookedUp
from semcache.stores.recollection import Pair
from semcache.stores.redis.scopes import Scopes
from semcache.stores.redis.spelling import Space, read_entry, read_exemplar, scope_name, spelled

if TYPE_CHECKING:
    from semcache.entry import Vector

_ENTRY_FIELDS = 6
# VSIM's scores are (1 + cosine) / 2, of vectors quantised to 8 bits: off by 1e-3 at most at 384 dims as measured, and
# by 2.5e-3 where there are three. Whatever is this near to the last of the k is fetched too, and ranked exactly: twice
# the error, for both may be off. More would cost a second search of the set, wherever many lie that near to each other.
_TOLERANCE, _TOLERANCE_OF_FEW_DIMS = 2e-3, 5e-3
_FEW_DIMS = 256
# Quantised vectors take half the memory, 1.1 kB instead of 2.2, and 0.6 to 0.8 of the time of FP32. Up to so many of
# them every one is compared: 0.5 ms at 1,000 of 384 dims either way, but 2.6 ms against 1.0 at 5,000. Beyond, a search
# of the graph at EF 100 finds all of the 16 nearest of a question that has been asked in other words, and the nearest
# in 98 of 100 of one that is far from everything (99.5 at EF 200, for 1.3 ms).
EXHAUSTIVE = 1000


def look_up(scopes: Scopes, places: Sequence[ExactPlace], asked: Sequence[Scope], *, dated: bool) -> LookedUp:
    """What is at these places, and in which of the scopes asked about a search could find anything."""
    exact = [scopes.call("exact", scope_name(scope), spelled(key)) for scope, key in places]
    any_ = [scopes.call("any", scope_name(scope), scopes.space.id) for scope in asked]
    dating = [scopes.call("generation", scope_name(scope)) for scope, _ in places] if dated else []
    told = iter(scopes.link.run_all([*exact, *any_, *dating]))
    found, numbers = [next(told) for _ in exact], [next(told) for _ in any_]
    return LookedUp(
        [read_entry(each) if each else None for each in found],
        [scope for scope, number in zip(asked, numbers, strict=True) if number],
        [int(generation) for generation in told],
    )


def near(scopes: Scopes, scope: Scope, query: Vector, *, k: int) -> tuple[int, dict[int, bytes]]:
    """How many exemplars there are; and those that may be among the k nearest, each with the key of its entry."""
    is_zero = not query.any()
    asked = np.ones_like(query) if is_zero else query  # nothing is near to nothing: all are fetched, and tie
    tolerance = _TOLERANCE if len(query) >= _FEW_DIMS else _TOLERANCE_OF_FEW_DIMS
    total, *told = scopes.run(
        "nearest", scope_name(scope), asked.tobytes(), int(is_zero), k, scopes.space.id, tolerance, EXHAUSTIVE
    )
    return total, {int(exemplar_id): key for exemplar_id, key in zip(told[::2], told[1::2], strict=True)}


def fetch(scopes: Scopes, scope: Scope, keys: Mapping[int, bytes], ids: Sequence[int]) -> dict[int, Pair]:
    """Those of these exemplars that exist, each with its entry."""
    words = [word for exemplar_id in ids for word in (exemplar_id, keys[exemplar_id])]
    return pairs_of(scopes.run("fetch", scope_name(scope), *words), scopes.space)


def pairs_of(fetched: Sequence[Sequence[bytes]], space: Space) -> dict[int, Pair]:
    """From entries, each with its exemplars."""
    found: dict[int, Pair] = {}
    for fields in fetched:
        entry = read_entry(fields[:_ENTRY_FIELDS])
        for place in range(_ENTRY_FIELDS, len(fields), 2):
            exemplar = read_exemplar(entry.id, int(fields[place]), fields[place + 1], space)
            found[exemplar.id] = (entry, exemplar)
    return found
