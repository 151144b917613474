"""The library: sync and async over one core, and the drop-ins for the official SDK."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from pathlib import Path

import anthropic
import httpx2
import pytest
from fakes import FakeUpstream, Reply

from semcache import Anthropic, AsyncAnthropic, AsyncSemanticCache, Bypass, Hit, Miss, SemanticCache, Settings
from semcache.errors import InvalidRequest, NotCached, UpstreamStatus, UpstreamTorn

QUESTION, REWORDED = "How do I reset my password?", "How do I reset my password, please?"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store="memory:", embedder="hashed", data_dir=tmp_path)


@pytest.fixture
def upstream() -> FakeUpstream:
    return FakeUpstream()


@pytest.fixture
def cache(settings: Settings, upstream: FakeUpstream) -> Iterator[SemanticCache]:
    with SemanticCache(settings, upstream=upstream) as opened:
        yield opened


def test_the_second_answer_comes_from_memory_and_costs_nothing(cache: SemanticCache, upstream: FakeUpstream) -> None:
    first, second = cache.ask(QUESTION, model="claude-haiku-5-5"), cache.ask(QUESTION, model="claude-haiku-5-5")
    assert isinstance(first.lookup, Miss)
    assert isinstance(second.lookup, Hit)
    assert second.cost_usd == 0
    assert second.saved_usd == first.cost_usd
    assert len(upstream.calls) == 1


def test_a_lookup_sends_and_counts_nothing(cache: SemanticCache, upstream: FakeUpstream) -> None:
    cache.put(QUESTION, "Like so.")
    assert isinstance(cache.lookup(QUESTION), Hit)
    assert upstream.calls == []
    assert cache.stats().hits == 0


def test_what_is_put_is_served_and_what_is_purged_is_not(cache: SemanticCache) -> None:
    cache.put(QUESTION, "Like so.", tags=["howto"])
    assert cache.ask(QUESTION).message.text == "Like so."
    assert cache.purge(tag="howto", dry_run=True) == 1
    assert cache.purge(tag="howto") == 1
    assert isinstance(cache.lookup(QUESTION), Miss)


def test_a_faq_file_is_imported_once(cache: SemanticCache, tmp_path: Path) -> None:
    faq = tmp_path / "faq.csv"
    faq.write_text(f"question,answer\n{QUESTION},From the FAQ.\nbroken,\n")
    progress: list[int] = []
    report = cache.import_faq(faq, on_progress=progress.append)
    assert (report.added, report.errors[0].line, sum(progress)) == (1, 3, 2)
    assert cache.import_faq(faq).unchanged == 1
    assert cache.ask(QUESTION).message.text == "From the FAQ."


def test_feedback_removes_a_wrong_answer(cache: SemanticCache) -> None:
    entry = cache.put(QUESTION, "Wrong.")
    assert entry is not None
    assert cache.feedback(entry.id, right=False) is not None
    assert isinstance(cache.lookup(QUESTION), Miss)
    assert cache.feedback("ent_unknown", right=False) is None


def test_what_was_served_is_reported_by_its_message(cache: SemanticCache) -> None:
    cache.ask(QUESTION)
    wrong = cache.ask(REWORDED)
    assert isinstance(wrong.lookup, Hit)
    said = cache.feedback(str(wrong.message.body["id"]), right=False)
    assert said is not None
    assert (said.effect.value, said.judged.question, said.other_wordings) == ("learned", REWORDED, (QUESTION,))
    assert isinstance(cache.lookup(REWORDED), Miss)
    assert isinstance(cache.lookup(QUESTION), Hit)


def test_a_lookup_is_explained(cache: SemanticCache) -> None:
    cache.ask(QUESTION)
    explanation = cache.explain(cache.lookup(REWORDED))
    assert explanation.says.startswith("Served: a stored answer is right")
    assert [each.wording for each in explanation.candidates] == [QUESTION]
    assert explanation.candidates[0].contributions


def test_what_was_audited_is_told_by_quality(cache: SemanticCache, upstream: FakeUpstream) -> None:
    assert cache.quality().overall.since_start.estimate is None
    cache.ask(QUESTION)
    cache.ask(REWORDED)
    assert cache.settle(20)
    proved = cache.quality("default").overall.since_start
    assert (proved.hits, proved.audited, proved.wrong) == (1, 1, 0)
    assert len(upstream.calls) >= 2


def test_the_async_faces_learn_too(settings: Settings, upstream: FakeUpstream) -> None:
    async def scenario() -> list[int]:
        counts = []
        for drop_in in (False, True):
            cache = AsyncSemanticCache(settings, upstream=upstream)
            client = AsyncAnthropic(cache=cache, api_key="k")
            for question in (QUESTION, REWORDED):
                turns = [{"role": "user", "content": question}]
                if drop_in:
                    await client.messages.create(model="claude-haiku-5-5", max_tokens=9, messages=turns)
                else:
                    await cache.ask(question)
            assert await asyncio.to_thread(cache.settle, 20)
            counts.append(cache.quality().overall.since_start.audited)
            await cache.aclose()
        return counts

    assert asyncio.run(scenario()) == [1, 1]


def test_savings_are_summed_by_outcome(cache: SemanticCache) -> None:
    for _ in range(3):
        cache.ask(QUESTION, model="claude-haiku-5-5")
    sums = {each.key[0]: each for each in cache.savings().outcomes}
    assert (sums["miss"].requests, sums["exact"].requests) == (1, 2)
    assert sums["exact"].baseline_usd == 2 * sums["miss"].cost_usd
    assert sums["exact"].cost_usd == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param({"only_if_cached": True}, NotCached, id="only if cached"),
        pytest.param({"namespace": "a\nb"}, InvalidRequest, id="namespace"),
    ],
)
def test_errors_are_of_our_own_tree(cache: SemanticCache, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        cache.ask(QUESTION, **options)


def test_claudes_errors_are_raised_with_their_status(settings: Settings) -> None:
    with (
        SemanticCache(settings, upstream=FakeUpstream(lambda body: Reply(status=529))) as cache,
        pytest.raises(UpstreamStatus),
    ):
        cache.ask(QUESTION)


def test_threads_that_ask_the_same_at_once_make_one_call(settings: Settings) -> None:
    upstream = FakeUpstream()
    barrier = threading.Barrier(20)
    texts: list[str] = []
    with SemanticCache(settings, upstream=upstream) as cache:

        def work() -> None:
            barrier.wait()
            texts.append(cache.ask(QUESTION).message.text)

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == ["an answer"] * 20
    assert len(upstream.calls) == 1


def test_the_async_face_has_every_call_of_the_sync_one() -> None:
    def public(face: type) -> set[str]:
        return {name for name, value in inspect.getmembers(face) if callable(value) and not name.startswith("_")}

    assert public(SemanticCache) - {"close"} == public(AsyncSemanticCache) - {"aclose"}


def test_the_async_face_answers_alike(settings: Settings, upstream: FakeUpstream) -> None:
    async def scenario() -> list[object]:
        async with AsyncSemanticCache(settings, upstream=upstream) as cache:
            return [(await cache.ask(QUESTION)).lookup for _ in range(2)]

    first, second = asyncio.run(scenario())
    assert isinstance(first, Miss)
    assert isinstance(second, Hit)


def test_a_namespace_closed_to_strangers_is_open_inside_this_process(tmp_path: Path) -> None:
    from semcache.policy import Namespace, ServiceKey

    closed = {"hr": Namespace(shared=True, members=("hr",))}
    settings = Settings(
        store="memory:", embedder="hashed", data_dir=tmp_path, api_keys=(ServiceKey("hr", "k"),), namespaces=closed
    )
    with SemanticCache(settings, upstream=FakeUpstream()) as cache:
        assert cache.ask(QUESTION, namespace="hr").message.text == "an answer"


# the drop-ins


def test_the_drop_in_client_serves_json_and_streams_from_one_entry(settings: Settings, upstream: FakeUpstream) -> None:
    client = Anthropic(cache=SemanticCache(settings, upstream=upstream), api_key="k")
    asked = {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": QUESTION}]}
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    whole = client.messages.with_raw_response.create(**asked)
    raw = [event.type for event in client.messages.create(**asked, stream=True)]
    assert streamed.content[0].text == whole.parse().content[0].text == "an answer"
    assert whole.headers["cache-status"] == "semcache; hit; detail=exact"
    assert raw[0] == "message_start"
    assert raw[-1] == "message_stop"
    assert len(upstream.calls) == 1
    client.cache.close()


def test_the_async_drop_in_answers_alike(settings: Settings, upstream: FakeUpstream) -> None:
    async def scenario() -> list[str]:
        client = AsyncAnthropic(cache=AsyncSemanticCache(settings, upstream=upstream), api_key="k")
        asked = {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": QUESTION}]}
        async with client.messages.stream(**asked) as stream:
            streamed = await stream.get_final_message()
        whole = await client.messages.create(**asked)
        await client.cache.aclose()
        return [streamed.content[0].text, whole.content[0].text]

    assert asyncio.run(scenario()) == ["an answer", "an answer"]
    assert len(upstream.calls) == 1


def test_the_drop_in_raises_the_sdks_own_errors(settings: Settings) -> None:
    body = b'{"type":"error","error":{"type":"not_found_error","message":"model: nope"},"request_id":"req_1"}'
    upstream = FakeUpstream(lambda _: Reply(status=404, body=body))
    client = Anthropic(cache=SemanticCache(settings, upstream=upstream), api_key="k", max_retries=0)
    with pytest.raises(anthropic.NotFoundError, match="model: nope"):
        client.messages.create(model="nope", max_tokens=1, messages=[{"role": "user", "content": "Hi"}])
    client.cache.close()


def test_other_endpoints_pass_through_the_drop_in(settings: Settings) -> None:
    upstream = FakeUpstream(lambda _: Reply(body=b'{"input_tokens": 7}'))
    client = Anthropic(cache=SemanticCache(settings, upstream=upstream), api_key="k")
    counted = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert counted.input_tokens == 7
    assert upstream.calls[0].path == "/v1/messages/count_tokens"
    client.cache.close()


def test_a_stream_of_the_drop_in_that_is_left_early_stores_nothing(settings: Settings) -> None:
    gate_keeper: list[asyncio.Event] = []

    def gated(body: dict[str, object]) -> Reply:
        gate_keeper.append(asyncio.Event())
        return Reply.saying("one two three", stream=True, gate=gate_keeper[-1])

    upstream = FakeUpstream(gated)
    cache = SemanticCache(settings, upstream=upstream)
    client = Anthropic(cache=cache, api_key="k")
    asked = {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": QUESTION}]}
    stream = client.messages.create(**asked, stream=True)
    next(iter(stream))
    stream.close()
    assert cache.stats().entries == 0
    assert upstream.hung_up == 1
    cache.close()


def test_a_bypass_says_why(cache: SemanticCache) -> None:
    lookup = cache.lookup(QUESTION, mode="off")
    assert isinstance(lookup, Bypass)
    assert lookup.reason == "mode-off"


@pytest.mark.parametrize("kept", [pytest.param(3, id="between events"), pytest.param(None, id="inside an event")])
def test_a_stream_that_breaks_off_never_passes_for_a_whole_message(settings: Settings, kept: int | None) -> None:
    def torn(body: dict[str, object]) -> Reply:
        chunks = Reply.saying("one two three", stream=True).chunks
        assert chunks is not None
        sent = chunks[:kept] if kept is not None else [*chunks[:3], chunks[3][:10]]
        headers = (("content-type", "text/event-stream"),)
        return Reply(headers=headers, chunks=sent, broken=UpstreamTorn("cut"))

    client = Anthropic(cache=SemanticCache(settings, upstream=FakeUpstream(torn)), api_key="k", max_retries=0)
    asked = {"model": "claude-haiku-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": QUESTION}]}
    with pytest.raises((anthropic.APIError, httpx2.ReadError)), client.messages.stream(**asked) as stream:
        stream.get_final_message()
    assert client.cache.stats().entries == 0
    client.cache.close()
