"""What the requests of a batch share is marked for Claude's prompt cache, for an hour, though nobody has marked it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from batches.batch_worlds import TOPICS, item

LONG = " ".join(f"Rule number {n} of this shop says that whoever asks is answered kindly." for n in range(300))
DOCUMENT = " ".join(f"On day {n} the ship saw land, and nobody went ashore." for n in range(400))
SONNET = "claude-sonnet-5-5"


def alike(count, **changes):
    return [item(f"id-{n}", TOPICS[n], model=SONNET, **changes) for n in range(count)]


def marks(params):
    """Where marks stand, and for how long."""
    blocks = [("system", block) for block in params.get("system") or [] if isinstance(block, dict)]
    for turn in params["messages"]:
        blocks += [("messages", block) for block in turn["content"] if isinstance(block, dict)]
    return [(where, block["cache_control"].get("ttl")) for where, block in blocks if "cache_control" in block]


def sent_marks(world):
    return [marks(each["params"]) for each in world.sent()]


def test_a_system_prompt_that_many_share_is_written_once_and_read_by_the_rest(world):
    results = world.finished(alike(10, system=LONG))
    assert sent_marks(world) == [[("system", "1h")]] * 10
    usages = [each["message"]["usage"] for each in results.values()]
    assert sum(usage["cache_creation_input_tokens"] > 0 for usage in usages) == 1
    assert sum(usage["cache_read_input_tokens"] > 0 for usage in usages) == 9


def test_what_it_saves_is_on_the_bill_to_the_last_digit(world):
    world.finished(alike(10, system=LONG))
    savings = world.http("GET", "/semcache/v1/savings").json()
    assert Decimal(savings["cost_usd"]) == world.simulator.bill_usd
    saved = {row["strategy"]: Decimal(row["saved_usd"]) for row in savings["waterfall"]}
    assert saved["prompt_caching"] > saved["batch"] > 0


def test_requests_that_share_stand_next_to_each_other_whatever_order_they_came_in(world):
    systems = [LONG, DOCUMENT]
    world.finished([item(f"id-{n}", TOPICS[n], model=SONNET, system=systems[n % 2]) for n in range(12)])
    texts = [each["params"]["system"][0]["text"] for each in world.sent()]
    assert texts == [LONG] * 6 + [DOCUMENT] * 6


def test_a_document_that_many_ask_about_is_marked_before_the_question(world):
    document = {"type": "text", "text": DOCUMENT}
    requests = [item(f"id-{n}", [document, {"type": "text", "text": TOPICS[n]}], model=SONNET) for n in range(8)]
    world.finished(requests)
    assert sent_marks(world) == [[("messages", "1h")]] * 8


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        pytest.param(1, {"system": LONG}, id="nobody else shares it"),
        pytest.param(2, {"system": LONG}, id="too few to pay for the write"),
        pytest.param(8, {"system": "Answer kindly."}, id="too short"),
        pytest.param(8, {}, id="nothing is shared"),
    ],
)
def test_nothing_is_marked_where_it_would_not_pay(world, count, changes):
    world.finished(alike(count, **changes))
    assert sent_marks(world) == [[]] * count


def test_nothing_is_marked_where_prompt_caching_is_not_wanted(world):
    with world.client(default_headers={"x-semcache-strategies": "-prompt_caching"}) as client:
        batch = client.messages.batches.create(requests=alike(8, system=LONG))
    world.ended(batch.id)
    assert sent_marks(world) == [[]] * 8


def test_marks_of_the_callers_own_stay_as_they_are(world):
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    world.finished(alike(8, system=system))
    assert all(each["params"]["system"] == system for each in world.sent())
