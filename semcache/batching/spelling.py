"""Item states as small JSON objects, for whoever keeps them: what is written is read back equal, or refused."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import Any

from semcache.batching.states import (
    Accepted,
    Canceled,
    Duplicate,
    Errored,
    Expired,
    ItemState,
    Likeness,
    Sent,
    Source,
    Stop,
    Submitting,
    Succeeded,
    Waiting,
)
from semcache.errors import SemcacheError
from semcache.request import Json


def state_name(state: type) -> str:
    """By which a state is written down."""
    return state.__name__.lower()


_STATES: dict[str, type[ItemState]] = {
    state_name(each): each
    for each in (Accepted, Duplicate, Waiting, Submitting, Sent, Succeeded, Errored, Canceled, Expired)
}
STATE_NAMES = tuple(_STATES)
_ENUMS: dict[str, type[Enum]] = {"likeness": Likeness, "source": Source, "stop": Stop}


class UnknownState(SemcacheError):
    """A record holds a state that this version does not know, or only in part."""


def spell(state: ItemState) -> Json:
    """The state as an object: `state` names it, the rest are its fields."""
    given = {each.name: getattr(state, each.name) for each in fields(state)}
    plain = {name: value.value if isinstance(value, Enum) else value for name, value in given.items()}
    return {"state": state_name(type(state)), **plain}


def unspell(spelled: Json) -> ItemState:
    """The state that was spelled; raises `UnknownState`."""
    given = {name: _meant(name, value) for name, value in spelled.items() if name != "state"}
    try:
        return _STATES[spelled["state"]](**given)
    except (KeyError, TypeError):
        raise UnknownState(f"no such state: {str(spelled.get('state'))[:40]} with {sorted(given)}") from None


def _meant(name: str, value: Any) -> Any:
    if name not in _ENUMS or value is None:
        return value
    try:
        return _ENUMS[name](value)
    except ValueError:
        raise UnknownState(f"no such {name}: {str(value)[:40]}") from None
