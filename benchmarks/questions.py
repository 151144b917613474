"""Any number of different questions about made-up things, each with a rewording and a stranger to it."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

_ACTS = (
    "reset change update delete find open close export share print move copy rename lock protect restore archive "
    "hide sort filter preview translate schedule install repair clean replace connect charge wash"
).split()
_THINGS = (
    "password invoice report account profile photo calendar contact folder message backup playlist receipt ticket "
    "order project budget form survey cable battery sensor lamp curtain heater camera speaker keyboard printer router"
).split()
_PLACES = (
    "phone laptop tablet browser watch television office car kitchen garden school library factory hotel airport "
    "hospital studio garage museum shop theatre bakery clinic stadium harbour workshop greenhouse attic cellar balcony"
).split()
_WHICH = ("", "spare ", "family ", "rented ")


@dataclass(frozen=True)
class Question:
    """`reworded` and `earlier` ask the same in other words; `unknown` asks what is nowhere stored."""

    text: str
    reworded: str
    earlier: str
    unknown: str


def questions(count: int, *, seed: int) -> list[Question]:
    """The same for the same seed; at most 108,000. About ten words each, as questions to a help desk are."""
    every = list(itertools.product(_ACTS, _THINGS, _WHICH, _PLACES))
    random.Random(seed).shuffle(every)
    made = []
    for act, thing, which, place in every[:count]:
        about = f"{act} the {which}{thing} in my {place}"
        unknown = f"Why would anyone paint a {which}{thing} from a {place} before they {act} it?"
        made.append(Question(f"How do I {about}?", f"How can I {about}?", f"How could I {about}?", unknown))
    return made
