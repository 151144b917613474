"""Prompt-cache accounting, computed by hand.

Sonnet 4.6 makes the sums plain: its tokenizer factor is 1, four letters are one token, a turn costs
three more, and at least 1,024 tokens are cached.
"""

import asyncio
import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semcache.upstream.simulator import Fault
from semcache.upstream.upstream import UpstreamRequest

MODEL = "claude-sonnet-4-6"
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def text(tokens, mark=None, letter="x"):
    block = {"type": "text", "text": letter * 4 * tokens}
    return block if mark is None else block | {"cache_control": mark}


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def assistant(tokens):
    return {"role": "assistant", "content": [text(tokens, letter="a")]}


def bill(answer):
    """Read, written for 5 minutes, written for an hour, paid in full."""
    assert answer.status == 200, answer.problem
    usage = answer.json["usage"]
    split = usage["cache_creation"]
    assert usage["cache_creation_input_tokens"] == sum(split.values())
    written = split["ephemeral_5m_input_tokens"], split["ephemeral_1h_input_tokens"]
    return usage["cache_read_input_tokens"], *written, usage["input_tokens"]


@pytest.fixture
def send(desk, ask):
    """Asks Sonnet 4.6 and returns the bill."""

    def sent(*messages, headers=None, **changes):
        body = ask(**{"model": MODEL, "messages": list(messages) or [user(text(7))]} | changes)
        return bill(desk.post(body, **(headers or {})))

    return sent


def test_a_marked_system_prompt_is_written_once_and_then_read(send):
    system = [text(2000, MARK)]
    assert send(system=system) == (0, 2000, 0, 10)
    assert send(system=system) == (2000, 0, 0, 10)
    assert send(user(text(30, letter="q")), system=system) == (2000, 0, 0, 33)


def test_an_unmarked_prompt_is_paid_in_full(send):
    assert send(system=[text(2000)]) == (0, 0, 0, 2010)
    assert send(system=[text(2000)]) == (0, 0, 0, 2010)


@pytest.mark.parametrize(("model", "minimum"), [(MODEL, 1024), ("claude-opus-4-6", 4096), ("claude-haiku-4-5", 4096)])
def test_below_the_models_minimum_nothing_is_cached(send, model, minimum):
    assert send(model=model, system=[text(minimum - 1, MARK)]) == (0, 0, 0, minimum + 9)
    assert send(model=model, system=[text(minimum, MARK)]) == (0, minimum, 0, 10)


def test_newer_tokenizers_count_three_tenths_more(send):
    # 1.3 * 1000, and for the question ceil(1.3 * 7) + ceil(1.3 * 3)
    assert send(model="claude-opus-5-5", system=[text(1000, MARK)]) == (0, 1300, 0, 10 + 4)


@pytest.mark.parametrize(("mark", "seconds"), [(MARK, 300), (HOUR, 3600)])
def test_time_to_live_runs_from_the_start_and_each_hit_renews_it(send, desk, mark, seconds):
    system = [text(2000, mark)]
    send(system=system)
    for _ in range(3):
        desk.clock.now += seconds - 1
        assert send(system=system)[0] == 2000
    desk.clock.now += seconds
    assert send(system=system)[0] == 0


@pytest.mark.parametrize(("further", "is_read"), [(1, True), (19, True), (20, False), (40, False)])
def test_a_breakpoint_looks_back_twenty_blocks_itself_included(send, further, is_read):
    send(user(text(2000, MARK)))
    more = [text(10, letter="m") for _ in range(further - 1)]
    read, written, _, _ = send(user(text(2000), *more, text(10, MARK)))
    assert (read, written) == ((2003, 10 * further) if is_read else (0, 2003 + 10 * further))


def test_a_second_breakpoint_bridges_what_lookback_cannot(send):
    send(user(text(2000, MARK)))
    more = [text(10, letter="m") for _ in range(39)]
    assert send(user(text(2000, MARK), *more, text(10, MARK))) == (2003, 400, 0, 0)


def test_entries_are_written_at_breakpoints_only(send):
    send(user(text(2000), text(2000, MARK)))
    assert send(user(text(2000, MARK), text(2000, letter="y"))) == (0, 2003, 0, 2000)


def test_a_parted_text_is_found_only_where_it_is_parted_at_the_same_place(send):
    whole, varying = text(3000)["text"], [text(500, letter="y"), text(500, letter="z")]

    def parts(characters, behind):
        before = {"type": "text", "text": whole[:characters], "cache_control": MARK}
        return [before, {"type": "text", "text": whole[characters:] + behind["text"]}]

    assert send(system=parts(8000, varying[0])) == (0, 2000, 0, 1510)
    assert send(system=parts(8000, varying[1])) == (2000, 0, 0, 1510)
    assert send(system=parts(12000, varying[1])) == (0, 3000, 0, 510)
    assert send(system=parts(8000, varying[0])) == (2000, 0, 0, 1510)
    assert send(system=[{"type": "text", "text": whole + varying[0]["text"], "cache_control": MARK}]) == (
        0,
        3500,
        0,
        10,
    )


def test_mixed_lifetimes_are_billed_between_the_hit_the_last_hour_and_the_last_mark(send):
    first = [text(2000, HOUR), text(1000, HOUR, letter="a")]
    assert send(user(text(497, MARK)), system=first) == (0, 500, 3000, 0)
    second = [text(2000, HOUR), text(1500, HOUR, letter="b")]
    assert send(user(text(497, MARK), text(50)), system=second) == (2000, 500, 1500, 50)


def test_an_hour_mark_below_the_minimum_leaves_the_rest_to_five_minutes(send):
    assert send(user(text(1497, MARK)), system=[text(500, HOUR)]) == (0, 2000, 0, 0)


def test_of_mixed_lifetimes_the_hour_outlives_the_five_minutes(send, desk):
    asked = {"system": [text(2000, HOUR)]}
    send(user(text(497, MARK)), **asked)
    desk.clock.now += 301
    assert send(user(text(497, MARK)), **asked) == (2000, 500, 0, 0)


def test_automatic_caching_moves_forward_with_the_conversation(send):
    turns = [user(text(2000))]
    assert send(*turns, cache_control=MARK) == (0, 2003, 0, 0)
    turns += [assistant(97), user(text(47))]
    assert send(*turns, cache_control=MARK) == (2003, 150, 0, 0)
    assert send(*turns, cache_control=MARK) == (2153, 0, 0, 0)


def test_automatic_caching_beside_an_explicit_mark_of_the_system_prompt(send):
    system = [text(2000, MARK)]
    assert send(user(text(97)), system=system, cache_control=MARK) == (0, 2100, 0, 0)
    assert send(user(text(97, letter="o")), system=system, cache_control=MARK) == (2000, 100, 0, 0)


def test_pooled_keys_share_and_other_keys_do_not(send):
    system = [text(2000, MARK)]
    send(system=system)
    assert send(system=system, headers={"x_api_key": None, "authorization": "Bearer key"})[0] == 2000
    assert send(system=system, headers={"x_api_key": "another"})[0] == 0


TOOL = {"name": "look", "input_schema": {"type": "object"}}
OTHER = TOOL | {"name": "find"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        pytest.param({}, "all", id="nothing"),
        pytest.param({"messages": [{"role": "user", "content": "x" * 8000}]}, "all", id="marks moved, text as string"),
        pytest.param({"metadata": {"user_id": "u"}, "max_tokens": 9}, "all", id="delivery fields"),
        pytest.param({"output_config": {"effort": "high"}}, "all", id="an explicit default"),
        pytest.param({"tool_choice": {"type": "auto", "disable_parallel_tool_use": False}}, "all", id="default choice"),
        pytest.param({"tool_choice": {"type": "none"}}, "system", id="tool choice"),
        pytest.param({"messages": [user(text(2000), IMAGE)]}, "system", id="image"),
        pytest.param({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, "system", id="format"),
        pytest.param({"system": [text(2000, MARK, letter="z")]}, "tools", id="system prompt"),
        pytest.param({"tools": [OTHER | {"description": "d" * 8000, "cache_control": MARK}]}, "nothing", id="tools"),
        pytest.param({"model": "claude-sonnet-4-5"}, "nothing", id="model"),
        pytest.param({"output_config": {"effort": "low"}}, "nothing", id="effort"),
        pytest.param({"thinking": {"type": "adaptive"}}, "nothing", id="thinking"),
    ],
)
def test_a_change_invalidates_what_comes_after_it(send, changes, read):
    tool = TOOL | {"description": "d" * 8000, "cache_control": MARK}
    asked = {"tools": [tool], "system": [text(2000, MARK)], "messages": [user(text(2000, MARK))]}
    sizes = dict(zip(("nothing", "tools"), (0, send(tools=[tool])[1]), strict=True))
    sizes |= {"system": sizes["tools"] + 2000, "all": sizes["tools"] + 4003}
    send(**asked)
    assert send(**asked | {"cache_control": MARK if "messages" in changes else None} | changes)[0] == sizes[read]


def test_web_search_switched_on_leaves_the_tools_cached(send):
    tool = TOOL | {"description": "d" * 8000, "cache_control": MARK}
    search = {"type": "web_search_20260318", "name": "web_search"}
    asked = {"system": [text(2000, MARK)]}
    _, written, _, _ = send(tools=[tool], **asked)
    assert send(tools=[tool, search], **asked)[0] == written - 2000


def test_fast_mode_leaves_only_the_tools_cached(send):
    tool = TOOL | {"description": "d" * 8000, "cache_control": MARK}
    asked = {"model": "claude-opus-5-5", "tools": [tool], "system": [text(1000, MARK)]}
    _, written, _, _ = send(**asked)
    assert send(speed="fast", **asked)[:2] == (written - 1300, 1300)


def test_prewarming_bills_input_only_and_is_read_by_the_next_request(desk, send, ask):
    body = ask(model=MODEL, max_tokens=0, system=[text(2000, MARK)], messages=[user(text(7))])
    message = desk.post(body).json
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert message["usage"]["output_tokens"] == 0
    assert desk.simulator.bill_usd == Decimal("0.0075") + Decimal("0.00003")  # 2000 * 3.75 and 10 * 3
    assert send(system=[text(2000, MARK)]) == (2000, 0, 0, 10)


def test_a_refused_request_writes_nothing(desk, send):
    system = [text(2000, MARK)]
    desk.simulator.inject(Fault.of_status(529))
    body = {"model": MODEL, "max_tokens": 9, "system": system, "messages": [user(text(7))]}
    assert desk.post(body).status == 529
    assert send(system=system) == (0, 2000, 0, 10)


def test_an_entry_is_readable_only_once_the_first_response_begins(open_desk, ask):
    desk = open_desk(head_delay_seconds=0.02)
    raw = json.dumps(ask(model=MODEL, system=[text(2000, MARK)], messages=[user(text(7))])).encode()
    request = UpstreamRequest("POST", "/v1/messages", "", tuple(desk.headers.items()), raw)

    async def three():
        await asyncio.gather(desk.simulator.open(request), desk.simulator.open(request))
        await desk.simulator.open(request)

    asyncio.run(three())
    usages = [call.usage for call in desk.simulator.calls]
    assert [(usage.cache_write_5m_tokens, usage.cache_read_tokens) for usage in usages] == [
        (2000, 0), (2000, 0), (0, 2000)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("letters", "write_usd", "read_usd"),
    [
        # ceil(1.3 * 76,918) = 99,994 tokens and 6 for the question: 100,000 in all, at the low prices
        pytest.param(76_918, "0.01249985", "0.00100054", id="100,000 tokens"),
        # ceil(1.3 * 76,919) = 99,995 and 6: one above, so everything costs five times as much
        pytest.param(76_919, "0.062499875", "0.00500275", id="100,001 tokens"),
    ],
)
def test_the_haiku_55_step_prices_cache_writes_and_reads_of_the_whole_request(desk, ask, letters, write_usd, read_usd):
    for cost in (write_usd, read_usd):
        before = desk.simulator.bill_usd
        desk.post(ask(max_tokens=0, system=[text(letters, MARK)]))
        assert desk.simulator.bill_usd - before == Decimal(cost)


blocks = st.builds(text, st.sampled_from([1, 400, 1100]), st.sampled_from([None, None, MARK]), st.sampled_from("xyz"))
turns = st.lists(
    st.builds(lambda inner: user(*inner), st.lists(blocks, min_size=1, max_size=3)), min_size=1, max_size=4
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(requests=st.lists(st.tuples(turns, st.integers(0, 400)), min_size=1, max_size=6))
def test_read_written_and_paid_always_make_up_the_whole_prompt(desk, requests):
    for messages, seconds in requests:
        desk.clock.now += seconds
        asked = {"model": MODEL, "messages": messages}
        answer = desk.post(asked | {"max_tokens": 9})
        if answer.status == 200:  # not where there are more than four marks
            counted = desk.post(asked, path="/v1/messages/count_tokens").json["input_tokens"]
            assert sum(bill(answer)) == counted
