"""Result lines and batch objects: read in pieces, written as Claude writes them, torn streams told from whole ones."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.batching.message_batch import BatchPage, Counts, MessageBatch, ProcessingStatus, page_body
from semcache.batching.results import (
    CanceledResult,
    ErroredResult,
    ExpiredResult,
    ResultLine,
    ResultsReader,
    SucceededResult,
    errored,
)
from semcache.errors import UpstreamTorn

objects = st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.integers(), max_size=3)
results = st.one_of(
    st.builds(SucceededResult, objects), st.builds(ErroredResult, objects),
    st.just(CanceledResult()), st.just(ExpiredResult()),
)  # fmt: skip
lines = st.lists(st.builds(ResultLine, st.text("abc-_123", min_size=1, max_size=8), results), max_size=8)


def fed(reader, pieces):
    return [line for piece in pieces for line in reader.feed(piece)] + reader.finish()


def cut(raw, places):
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[start:end] for start, end in pairwise(edges)]


@given(written=lines, places=st.lists(st.integers(0, 10_000), max_size=15), ends=st.booleans())
def test_lines_come_out_as_they_went_in_however_the_bytes_are_cut(written, places, ends):
    raw = b"".join(line.content() for line in written)
    reader = ResultsReader(expected=len(written))
    assert fed(reader, cut(raw if ends else raw.removesuffix(b"\n"), places)) == written
    assert reader.count == len(written)


@given(written=lines.filter(bool), at=st.integers(0, 10_000))
def test_a_stream_cut_anywhere_is_known_to_be_torn_and_keeps_what_came_before(written, at):
    raw = b"".join(line.content() for line in written).removesuffix(b"\n")
    kept = raw[: at % len(raw)]
    reader = ResultsReader(expected=len(written))
    assert reader.feed(kept) == written[: kept.count(b"\n")]
    with pytest.raises(UpstreamTorn):
        reader.finish()


def test_a_line_cut_in_the_middle_shows_without_knowing_how_many_were_due():
    reader = ResultsReader()
    assert len(reader.feed(b'{"custom_id": "a", "result": {"type": "canceled"}}\r\n\n{"custom_id": "b", "res')) == 1
    with pytest.raises(UpstreamTorn, match="broke off in line 2"):
        reader.finish()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"[]", id="array"),
        pytest.param(b"7", id="number"),
        pytest.param(b"{}", id="empty"),
        pytest.param(b'{"custom_id": 7, "result": {"type": "expired"}}', id="number as id"),
        pytest.param(b'{"custom_id": "a", "result": null}', id="no result"),
        pytest.param(b'{"custom_id": "a", "result": {"type": "succeeded"}}', id="no message"),
        pytest.param(b'{"custom_id": "a", "result": {"type": "succeeded", "message": "Hi"}}', id="text as message"),
    ],
)
def test_a_line_that_is_no_result_breaks_the_stream(line):
    with pytest.raises(UpstreamTorn, match="line 1"):
        ResultsReader().feed(line + b"\n")


def test_a_result_of_a_kind_we_do_not_know_still_ends_its_request():
    (line,) = ResultsReader().feed(b'{"custom_id": "a", "result": {"type": "deferred", "until": 3}}\n')
    assert line.result == errored("api_error", "the upstream ended this request in an unknown way: deferred")


def test_a_line_goes_on_under_the_callers_own_id():
    line = ResultLine("semc_0-1", errored("api_error", "Lost", request_id="req_1")).under("mine")
    assert json.loads(line.content()) == {
        "custom_id": "mine",
        "result": {"type": "errored", "error": {
            "type": "error", "error": {"type": "api_error", "message": "Lost"}, "request_id": "req_1"}},
    }  # fmt: skip


def test_results_show_nothing_of_an_answer_when_printed():
    assert "secret" not in repr(ResultLine("a", SucceededResult({"content": "the secret word"})))


moments = st.integers(1_700_000_000, 1_900_000_000).map(float)
times = st.none() | moments
batches = st.builds(
    MessageBatch, id=st.just("msgbatch_1"), status=st.sampled_from(ProcessingStatus),
    counts=st.builds(Counts, *[st.integers(0, 9)] * 5), created_at=moments, expires_at=moments,
    ended_at=times, cancel_initiated_at=times, archived_at=times, results_url=st.none() | st.just("https://x/y"),
)  # fmt: skip


@given(batch=batches)
def test_a_batch_object_is_read_back_as_it_was_written(batch):
    assert MessageBatch.parse(json.loads(json.dumps(batch.body()))) == batch


@given(several=st.lists(batches, max_size=3), has_more=st.booleans())
def test_a_page_is_read_back_as_it_was_written(several, has_more):
    page = BatchPage.parse(page_body(several, has_more=has_more))
    assert page == BatchPage(tuple(several), has_more)
    assert page.last_id == ("msgbatch_1" if several else None)


@pytest.mark.parametrize("body", [None, [], {}, {"id": "x"}, "text", {"data": [{}]}])
def test_what_is_no_batch_object_is_a_torn_answer(body):
    with pytest.raises(UpstreamTorn):
        MessageBatch.parse(body)
    with pytest.raises(UpstreamTorn):
        BatchPage.parse(body)


def test_a_time_of_another_zone_and_an_unknown_field_are_understood():
    body = MessageBatch("msgbatch_1", ProcessingStatus.ENDED, Counts(), 1.8e9, 1.8e9).body()
    shifted = body | {"created_at": "2027-01-15T10:00:00+02:00", "novelty": 1}
    assert MessageBatch.parse(shifted).created_at == 1.8e9


def test_counts_add_up_and_hide_until_the_end():
    counts = Counts(1, 2, 3, 4, 5) + Counts(errored=1)
    assert (counts.total, counts.errored) == (16, 4)
    assert counts.until_the_end() == Counts(processing=16)
