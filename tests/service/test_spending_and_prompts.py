"""What callers and operators see of limits of the day, and of prompts that cannot be cached, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner
from worlds import RESET, World, outcome_of, until

from semcache.cli import main
from semcache.policy import Namespace

MakeWorld = Callable[..., World]
LONG = "The ferry leaves at nine and the harbour opens at six on every day of the week. " * 60


def body(number: int, **fields: object) -> dict[str, object]:
    asked = [{"role": "user", "content": f"What is the fare to zone {number}?"}]
    return {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": asked, **fields}


def test_answers_say_that_a_limit_is_nearly_used_up_then_misses_are_refused_and_hits_are_not(
    make_world: MakeWorld,
) -> None:
    world = make_world(credential_tokens_per_day=1_000, soft_limit_share=0.05)
    first = world.ask(RESET)
    responses = [world.http("POST", "/v1/messages", json=body(number)) for number in range(60)]
    assert "x-semcache-budget" not in first.headers
    told = [each.headers["x-semcache-budget"] for each in responses if "x-semcache-budget" in each.headers]
    assert told
    assert all(each.startswith("credential; used=0.") for each in told)
    refused = responses[-1]
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert outcome_of(world.ask(RESET)).startswith("hit")
    other = world.http("POST", "/v1/messages", json=body(99), headers={"x-api-key": "key-of-berta"})
    assert other.status_code == 200
    assert 0.8 < world.metric('semcache_spending_limit_used_ratio{account="credential"}') <= 1.2
    today = world.http("GET", "/semcache/v1/savings").json()["limited_today"]
    assert {row["limit"]["tokens_per_day"] for row in today.values()} == {1_000}


def test_a_stream_says_it_too(make_world: MakeWorld) -> None:
    world = make_world(tokens_per_day=1_000, soft_limit_share=0.01)
    world.http("POST", "/v1/messages", json=body(1))
    response = world.http("POST", "/v1/messages", json=body(2, stream=True))
    assert response.headers["x-semcache-budget"].startswith("service; used=")


def test_a_stream_that_breaks_off_is_paid_for_out_of_its_callers_limit(make_world: MakeWorld) -> None:
    world = make_world(credential_tokens_per_day=1_000, namespaces={"shop": Namespace(usd_per_day=1.0)})
    headers = {"x-simulator-fault": "truncated;after=3", "x-semcache-namespace": "shop"}
    response = world.http("POST", "/v1/messages", json=body(1, stream=True), headers=headers)
    assert "message_stop" not in response.text
    until(lambda: world.metric('semcache_spending_limit_used_ratio{account="credential"}') > 0)
    today = world.http("GET", "/semcache/v1/savings").json()["limited_today"]
    assert today["namespace shop"]["usd"] > 0
    [credential] = [row for account, row in today.items() if account.startswith("credential")]
    assert credential["tokens"] == today["namespace shop"]["tokens"] > 0


def test_a_clock_in_the_system_prompt_is_reported_to_the_operator_without_its_words(make_world: MakeWorld) -> None:
    world = make_world()
    for minute in (11, 12, 13):
        fields = {"system": f"Ahoy. It is 2026-11-29 09:{minute}. {LONG}", "model": "claude-sonnet-5-5"}
        assert world.http("POST", "/v1/messages", json=body(minute, **fields)).status_code == 200
    [found] = world.http("GET", "/semcache/v1/savings").json()["breaks_prefix"]
    assert (found["looks_like"], found["namespace"], found["times"]) == ("a timestamp", "default", 2)
    assert found["offset"] == len("Ahoy. It is 2026-11-29 ")
    assert "Ahoy" not in str(found)
    assert world.metric("semcache_prefix_breakers") == 1


def test_what_brevity_saves_is_shown_with_both_sides(make_world: MakeWorld) -> None:
    world = make_world(strategies=("conciseness",), answers=lambda body: "word " * 150)
    for number in range(30):
        world.http("POST", "/v1/messages", json={**body(number), "max_tokens": 400})
    [row] = world.http("GET", "/semcache/v1/savings").json()["brevity"]
    assert row["hinted"] + row["control"] == 30
    assert row["hinted"] > row["control"] > 0
    assert row["share"] is None  # too few to speak of a saving


def test_a_prompt_that_was_warmed_through_the_service_is_read_by_its_next_caller(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world()
    asked = {"model": "claude-sonnet-5-5", "system": LONG, "max_tokens": 50}
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({**asked, "messages": [{"role": "user", "content": "When?"}]}))
    given = ["warm", str(file), "--url", world.url, "--json"]
    result = CliRunner().invoke(main, given, env={"ANTHROPIC_API_KEY": "key-of-anna"})
    assert result.exit_code == 0, result.output
    [row] = json.loads(result.stdout)["prompts"]
    with world.client() as client:
        message = client.messages.create(**asked, messages=[{"role": "user", "content": "And on Sundays?"}])
    assert message.usage.cache_read_input_tokens == row["written_tokens"] > 1_000
