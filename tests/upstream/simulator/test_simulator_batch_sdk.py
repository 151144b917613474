"""The official SDK's batch helpers speak with the simulator over real HTTP."""

import asyncio
import socket
import threading
import time
from dataclasses import dataclass

import anthropic
import httpx2
import pytest
import uvicorn
from upstream.simulator.batch_samples import items, params

from semcache.upstream.simulator import BatchConduct, Conduct, Fault, FaultKind, Simulator, simulator_app

NOON = 1_795_435_200.0


@dataclass
class Clock:
    now: float = NOON

    def __call__(self):
        return self.now


@dataclass
class Served:
    simulator: Simulator
    clock: Clock
    base_url: str


@pytest.fixture(scope="module")
def served(book):
    """A simulator that knows its own address, so that its results_url leads back to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        clock = Clock()
        conduct = Conduct(
            max_body_bytes=10_000, batches=BatchConduct(results_base_url=base_url)
        )  # batches may be larger
        simulator = Simulator(book, clock=clock, conduct=conduct)
        server = uvicorn.Server(uvicorn.Config(simulator_app(simulator), log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Served(simulator, clock, base_url)
        server.should_exit = True
        thread.join()


@pytest.fixture
def client(served):
    with anthropic.Anthropic(base_url=served.base_url, api_key="key", max_retries=0, timeout=20) as client:
        yield client


def test_create_retrieve_and_stream_the_results(client, served):
    batch = client.messages.batches.create(requests=items(300))
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 300)
    with pytest.raises(anthropic.AnthropicError, match="No `results_url`"):
        client.messages.batches.results(batch.id)
    served.clock.now += 60
    ended = client.messages.batches.retrieve(batch.id)
    assert (ended.processing_status, ended.request_counts.succeeded) == ("ended", 300)
    assert (ended.expires_at - ended.created_at).total_seconds() == 86_400
    results = {each.custom_id: each.result for each in client.messages.batches.results(batch.id)}
    assert set(results) == {f"id-{n}" for n in range(300)}
    assert results["id-7"].message.usage.service_tier == "batch"
    assert "number 7?" in results["id-7"].message.content[-1].text


def test_errored_results_have_the_sdks_types(client, served):
    requests = [{"custom_id": "bad", "params": params(max_tokens=0)}, {"custom_id": "good", "params": params()}]
    batch = client.messages.batches.create(requests=requests)
    served.clock.now += 60
    results = {each.custom_id: each.result for each in client.messages.batches.results(batch.id)}
    assert (results["good"].type, results["bad"].type) == ("succeeded", "errored")
    assert results["bad"].error.error.type == "invalid_request_error"


def test_cancel_delete_and_what_is_gone(client, served):
    batch = client.messages.batches.create(requests=items(5))
    assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
    with pytest.raises(anthropic.BadRequestError, match="still processing"):
        client.messages.batches.delete(batch.id)
    served.clock.now += 60
    assert client.messages.batches.retrieve(batch.id).request_counts.canceled == 5
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)


def test_the_sdk_follows_the_pages_of_the_list(served):
    with anthropic.Anthropic(base_url=served.base_url, api_key="a key of its own", max_retries=0) as client:
        made = [client.messages.batches.create(requests=items(1)).id for _ in range(5)]
        assert [batch.id for batch in client.messages.batches.list(limit=2)] == made[::-1]


def test_beta_helpers_and_the_async_client_work_too(served):
    async def beta():
        async with anthropic.AsyncAnthropic(base_url=served.base_url, api_key="key", max_retries=0) as client:
            batch = await client.beta.messages.batches.create(requests=items(3), betas=["some-beta-2026-01-01"])
            served.clock.now += 60
            return [each async for each in await client.beta.messages.batches.results(batch.id)]

    assert {each.result.type for each in asyncio.run(beta())} == {"succeeded"}


def test_refusals_and_faults_arrive_as_the_errors_of_the_sdk(client, served):
    with pytest.raises(anthropic.BadRequestError, match="is not unique"):
        client.messages.batches.create(requests=[*items(1), *items(1)])
    served.simulator.inject(Fault.of_status(429), route="POST /v1/messages/batches")
    with pytest.raises(anthropic.RateLimitError):
        client.messages.batches.create(requests=items(1))


def test_a_torn_stream_of_results_breaks_in_the_readers_hands(client, served):
    batch = client.messages.batches.create(requests=items(20))
    served.clock.now += 60
    served.simulator.inject(Fault(FaultKind.TORN, after_events=5), route="GET *results")
    results = client.messages.batches.results(batch.id)
    assert len({next(results).custom_id for _ in range(5)}) == 5
    with pytest.raises(httpx2.RemoteProtocolError):
        next(results)
    assert len(list(client.messages.batches.results(batch.id))) == 20
