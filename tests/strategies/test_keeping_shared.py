"""What strategies learn in one process is known in the others, and neither's share is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes import request

from semcache.stores.memory import MemoryStore
from semcache.strategies.approved_prompts import Approved, Sides
from semcache.strategies.breakpoints.memory import PrefixMemory
from semcache.strategies.breakpoints.seams import Seams
from semcache.strategies.compression.blocks import Blocks
from semcache.strategies.keeping import Keeping
from semcache.strategies.prompt_forms import Form, FormMemory
from semcache.strategies.remaining import RemainingTurns
from semcache.strategies.routing.conversations import Conversations
from semcache.strategies.system_prompts import SystemPrompts
from semcache.strategies.token_budget.begun import Begun
from semcache.strategies.token_budget.brevity import Brevity
from semcache.strategies.token_budget.lengths import Lengths

PROMPT = "Answer briefly, and never promise a date of delivery. " * 20
APPROVED = Approved("a" * 64, "Be brief.", 5.0, 40, 20, 0.1)


def prompts_seen(prompts: SystemPrompts) -> None:
    prompts.note(request(system=PROMPT), model="claude-x", usd_per_prompt_token=1e-6, now=5.0)


def seams_seen(seams: Seams) -> None:
    for end in ("One.", "Two."):
        seams.note(request(system=PROMPT * 2 + end))


LEARNED: dict[str, tuple[Callable[[], Any], Callable[[Any], None], Callable[[Any], object]]] = {
    "conversations": (
        Conversations,
        lambda thing: thing.keep(request(), "claude-x", at=5.0),
        lambda thing: thing.to_bytes(),
    ),
    "turns": (RemainingTurns, lambda thing: thing.note(3), lambda thing: thing.expected(2)),
    "prefixes": (
        PrefixMemory,
        lambda thing: thing.note_seen("d", "system", ["g"], now=5.0),
        lambda thing: thing.to_bytes(),
    ),
    "blocks": (Blocks, lambda thing: thing.put("digest", "in short"), lambda thing: thing.get("digest")),
    "forms": (FormMemory, lambda thing: thing.put("key", Form()), lambda thing: thing.to_bytes()),
    "prompts": (SystemPrompts, prompts_seen, lambda thing: [each.requests for each in thing.costliest()]),
    "sides": (
        Sides,
        lambda thing: thing.note(APPROVED, is_control=False, output_tokens=7),
        lambda thing: thing.view(APPROVED.id),
    ),
    "lengths": (
        Lengths,
        lambda thing: thing.note("kind", 100, None, was_cut_off=False),
        lambda thing: thing.to_bytes(),
    ),
    "brevity": (Brevity, lambda thing: thing.note("kind", 50, was_hinted=True), lambda thing: thing.to_bytes()),
    "seams": (Seams, seams_seen, lambda thing: thing.partings(request(system=PROMPT * 2 + "Three."))),
    "begun": (Begun, lambda thing: thing.note(request()), lambda thing: thing.to_bytes()),
}


class Shared(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.is_shared = True


@pytest.mark.parametrize("name", LEARNED)
def test_two_processes_learn_together_what_one_would_have_learned_alone(name: str) -> None:
    made, learn, seen = LEARNED[name]
    store = Shared()
    things = [made(), made()]
    books = [Keeping(store), Keeping(store)]
    for book, thing in zip(books, things, strict=True):
        book.keep(name, thing)
        book.restore()
        learn(thing)
    for book in (*books, *books):
        book.save()
    alone = made()
    learn(alone)
    learn(alone)
    assert seen(things[0]) == seen(things[1]) == seen(alone)


def test_only_what_is_urgent_is_handed_out_at_once() -> None:
    store = Shared()
    book, urgent, patient = Keeping(store), RemainingTurns(), RemainingTurns()
    book.keep("urgent", urgent, is_urgent=True)
    book.keep("patient", patient)
    urgent.note(1)
    patient.note(1)
    book.save(only_urgent=True)
    assert store.documents("") == ["urgent"]
    book.save()
    assert store.documents("") == ["patient", "urgent"]
