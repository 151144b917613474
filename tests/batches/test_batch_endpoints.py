"""The official SDK's batch helpers speak with the service, and never notice that it is not Claude."""

from __future__ import annotations

import asyncio
import gzip
import json

import anthropic
import pytest
from batches.batch_worlds import PATH, TOPICS, item, items, params, text_of


def test_a_batch_is_answered_and_its_results_come_from_us(world):
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(10))
        assert batch.id.startswith("msgbatch_")
        assert batch.request_counts.processing == 10
        ended = world.ended(batch.id)
        assert ended.request_counts.succeeded == 10
        assert ended.results_url == f"{world.url}{PATH}/{batch.id}/results"
        results = {each.custom_id: each.result for each in client.messages.batches.results(batch.id)}
    assert set(results) == {f"id-{n}" for n in range(10)}
    assert results["id-3"].message.usage.service_tier == "batch"
    assert TOPICS[3] in results["id-3"].message.content[-1].text
    assert len(world.sent()) == 10


def test_what_a_batch_has_learned_answers_in_real_time_and_the_next_batch_at_once(world):
    world.finished(items(5))
    assert world.ask(TOPICS[2]).headers["cache-status"].startswith("semcache; hit")
    with world.client() as client:
        again = client.messages.batches.create(requests=items(5))
    assert again.processing_status == "ended"
    assert again.request_counts.succeeded == 5
    assert len(world.sent()) == 5
    assert TOPICS[4] in text_of(world.results(again.id)["id-4"])


def test_duplicates_inside_a_batch_are_sent_once(world):
    results = world.finished([item(f"id-{n}", TOPICS[n % 2]) for n in range(8)])
    assert sorted(world.questions_sent()) == sorted(TOPICS[:2])
    assert all(TOPICS[n % 2] in text_of(results[f"id-{n}"]) for n in range(8))


def test_near_duplicates_wait_for_the_first_and_share_its_answer(world):
    wordings = [TOPICS[2], TOPICS[2].lower(), f"{TOPICS[2]} ", TOPICS[5]]
    results = world.finished([item(f"id-{n}", text) for n, text in enumerate(wordings)])
    assert sorted(world.questions_sent()) == sorted([TOPICS[2], TOPICS[5]])
    assert {each["type"] for each in results.values()} == {"succeeded"}


def test_requests_that_ask_for_variety_are_each_sent(world):
    world.finished([item(f"id-{n}", TOPICS[0], metadata={"user_id": str(n)}) for n in range(2)])
    assert len(world.sent()) == 1
    world.finished(
        [item(f"id-{n}", TOPICS[1], tools=[{"name": "x", "input_schema": {"type": "object"}}]) for n in (1,)]
    )
    assert len(world.sent()) == 2


def test_errors_of_single_requests_keep_claudes_shape(world):
    requests = [
        item("stream", TOPICS[0], stream=True),
        item("nothing", TOPICS[1], max_tokens=0),
        item("unknown", TOPICS[2], model="claude-nonsense-1"),
        item("good", TOPICS[3]),
    ]
    with world.client() as client:
        batch = client.messages.batches.create(requests=requests)
        counts = world.ended(batch.id).request_counts
        results = {each.custom_id: each.result for each in client.messages.batches.results(batch.id)}
    assert (counts.succeeded, counts.errored) == (1, 3)
    assert results["stream"].error.error.type == "invalid_request_error"
    assert results["nothing"].error.error.message.startswith("max_tokens")
    assert results["unknown"].type == "errored"


def test_the_list_is_paged_newest_first_and_holds_only_the_callers_own(world):
    with world.client() as client, world.client(api_key="key-of-ben") as other:
        made = [client.messages.batches.create(requests=items(1)).id for _ in range(5)]
        theirs = other.messages.batches.create(requests=items(1)).id
        assert [batch.id for batch in client.messages.batches.list(limit=2)] == made[::-1]
        page = client.messages.batches.list(limit=2, before_id=made[0])
        assert [batch.id for batch in page.data] == [made[2], made[1]]
        assert [batch.id for batch in other.messages.batches.list()] == [theirs]
        for act in (client.messages.batches.retrieve, client.messages.batches.cancel, client.messages.batches.delete):
            with pytest.raises(anthropic.NotFoundError, match="not found"):
                act(theirs)
        with pytest.raises(anthropic.BadRequestError, match="limit"):
            client.messages.batches.list(limit=0)


def test_an_ended_batch_can_be_deleted_and_is_gone(world):
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(2))
        world.ended(batch.id)
        with pytest.raises(anthropic.BadRequestError, match="has ended"):
            client.messages.batches.cancel(batch.id)
        assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"
        with pytest.raises(anthropic.NotFoundError):
            client.messages.batches.retrieve(batch.id)


def test_the_async_client_and_the_beta_helpers_work_too(world):
    async def ask():
        async with world.async_client() as client:
            batch = await client.beta.messages.batches.create(requests=items(3), betas=["some-beta-2026-01-01"])
            while (await client.beta.messages.batches.retrieve(batch.id)).processing_status != "ended":
                await asyncio.sleep(0.05)
            return [each async for each in await client.beta.messages.batches.results(batch.id)]

    assert {each.result.type for each in asyncio.run(ask())} == {"succeeded"}


def test_a_batch_that_only_claude_knows_is_relayed_and_its_results_come_through_us(world):
    with anthropic.Anthropic(base_url=world.upstream_url, api_key="key-of-anna", max_retries=0) as direct:
        batch = direct.messages.batches.create(requests=items(3))
    world.clock.skipped += 10
    with world.client() as client:
        ended = client.messages.batches.retrieve(batch.id)
        assert ended.results_url.startswith(world.url)
        assert len(list(client.messages.batches.results(batch.id))) == 3


def test_our_batches_upstream_are_nobodys_to_see(world):
    with world.client() as client:
        world.ended(client.messages.batches.create(requests=items(2)).id)
        with pytest.raises(anthropic.NotFoundError):
            client.messages.batches.retrieve(world.simulator.batches[0].id)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param({"requests": []}, "at least 1 item", id="empty"),
        pytest.param({"requests": [item("a"), item("a")]}, "may occur once", id="custom id twice"),
        pytest.param({"requests": [{"custom_id": "a b", "params": params()}]}, "should match pattern", id="custom id"),
        pytest.param({"requests": [{"custom_id": "a"}]}, r"requests.0.params: Field required", id="no params"),
        pytest.param({}, "requests: Field required", id="no requests"),
    ],
)
def test_a_create_that_is_wrong_is_refused_and_leaves_nothing(world, body, problem):
    response = world.http("POST", PATH, json=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert problem in response.json()["error"]["message"]
    assert world.http("GET", PATH).json()["data"] == []


def test_results_before_the_end_are_refused_and_a_part_of_them_can_be_left_out(open_world):
    from semcache.upstream.simulator import BatchConduct

    world = open_world(conduct=BatchConduct(seconds=2.0))
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(4))
    assert world.http("GET", f"{PATH}/{batch.id}/results").status_code == 400
    assert world.http("DELETE", f"{PATH}/{batch.id}").status_code == 400
    assert world.http("PUT", f"{PATH}/{batch.id}").status_code == 405
    world.clock.skipped += 10
    world.ended(batch.id)
    rest = world.http("GET", f"{PATH}/{batch.id}/results?after=3").text.splitlines()
    assert [json.loads(line)["custom_id"] for line in rest] == ["id-3"]


def test_a_compressed_create_is_read(world):
    raw = gzip.compress(json.dumps({"requests": items(2)}).encode())
    response = world.http(
        "POST", PATH, content=raw, headers={"content-encoding": "gzip", "content-type": "application/json"}
    )
    assert world.ended(response.json()["id"]).request_counts.succeeded == 2
