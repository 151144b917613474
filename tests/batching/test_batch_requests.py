"""A batch creation is read in pieces of any size, and every complaint names its field."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.batching.array_reading import ArrayReader
from semcache.batching.requests import (
    FRAME_BYTES,
    BatchRequest,
    CreateReader,
    params_problem,
    read_create,
    write_create,
    write_request,
)
from semcache.errors import InvalidRequest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
params = st.dictionaries(st.text(max_size=6), json_values, max_size=4)


def cut(raw, places):
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[start:end] for start, end in pairwise(edges)]


def fed(reader, pieces):
    return [item for piece in pieces for item in reader.feed(piece)] + reader.finish()


@given(
    asked=st.lists(params, min_size=1, max_size=6),
    places=st.lists(st.integers(0, 10_000), max_size=12),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_requests_come_out_as_they_went_in_however_the_bytes_are_cut(asked, places, indent, ascii_only):
    requests = [{"custom_id": f"r{place}", "params": each} for place, each in enumerate(asked)]
    text = json.dumps({"requests": requests}, indent=indent, ensure_ascii=ascii_only)
    raw = text.encode("utf-8", "surrogatepass" if ascii_only else "replace")
    read = fed(CreateReader(), cut(raw, places))
    assert [each.custom_id for each in read] == [f"r{place}" for place in range(len(asked))]
    if ascii_only:
        assert [each.params for each in read] == asked


@given(asked=st.lists(params, min_size=1, max_size=5), places=st.lists(st.integers(0, 10_000), max_size=5))
def test_what_is_written_is_read_back_and_weighs_what_it_says(asked, places):
    written = [write_request(f"id_{place}", each) for place, each in enumerate(asked)]
    body = write_create(written)
    assert len(body) == FRAME_BYTES + sum(len(each) + 1 for each in written) - 1
    assert fed(CreateReader(), cut(body, places)) == [BatchRequest(f"id_{n}", each) for n, each in enumerate(asked)]


def test_a_request_is_handed_out_as_soon_as_its_last_byte_is_there():
    reader = CreateReader()
    assert reader.feed(b'{"requests": [{"custom_id": "a", "params": {}') == []
    assert [each.custom_id for each in reader.feed(b'}, {"custom_id": "b"')] == ["a"]


def test_a_long_request_in_small_pieces_is_not_read_again_at_every_piece():
    reader, tries = ArrayReader("requests"), []
    decode = reader._decode_json
    reader._decode_json = lambda text, at: tries.append(len(text)) or decode(text, at)
    raw = json.dumps({"requests": [{"text": "word " * 100_000}]}).encode()
    pieces = [raw[start : start + 1000] for start in range(0, len(raw), 1000)]
    assert len(fed(reader, pieces)) == 1
    assert len(tries) < 100


REFUSED = [
    pytest.param("", "body: expected a JSON object", id="nothing"),
    pytest.param("[]", "body: expected a JSON object", id="array"),
    pytest.param("{}", "requests: Field required", id="no requests"),
    pytest.param('{"requests": []}', "requests: List should have at least 1 item", id="empty"),
    pytest.param('{"requests": "all"}', "requests: Input should be a valid list", id="no list"),
    pytest.param('{"model": 1}', "model: Extra inputs are not permitted", id="unknown field"),
    pytest.param('{"requests": [{"custom_id": "a", "params": {}}], "x": 1}', "x: Extra inputs", id="unknown behind"),
    pytest.param('{"requests": [{"custom_id": "a", "params": {}}], "requests": []}', "requests: given", id="twice"),
    pytest.param('{"requests": [{"custom_id": "a", "params": {}}],}', "body: not valid JSON", id="trailing comma"),
    pytest.param('{"requests": [{"custom_id": "a", "params": {}},]}', "body: not valid JSON", id="comma in the list"),
    pytest.param('{"requests": [{"custom_id": "a", "params": {}} {}]}', "body: not valid JSON", id="no comma"),
    pytest.param('{"requests": [{"custom_id": "a", "params": {}}]} more', "body: not valid JSON", id="more behind"),
    pytest.param('{"requests": [{"custom_id": "a", "params": {}}]', "body: not valid JSON: it ends", id="cut off"),
    pytest.param('{"requests": [{"custom_id": "a", "par', "body: not valid JSON", id="cut off inside"),
    pytest.param('{"reque', "body: not valid JSON: it ends", id="cut off in the name"),
    pytest.param("{requests: []}", "body: not valid JSON: expected a field name", id="no quotes"),
    pytest.param('{"requests": [{"params": NaN}]}', "body: NaN is not JSON", id="NaN"),
    pytest.param('{"requests": [' + "[" * 100_000, "body: JSON is nested too deeply", id="too deep"),
    pytest.param('{"requests": [null]}', "requests.0: Input should be a valid dictionary", id="null"),
    pytest.param('{"requests": [{"params": {}}]}', "requests.0.custom_id: Field required", id="no id"),
    pytest.param('{"requests": [{"custom_id": "a"}]}', "requests.0.params: Field required", id="no params"),
    pytest.param('{"requests": [{"custom_id": "a", "params": 1}]}', "requests.0.params: Input", id="number as params"),
    pytest.param('{"requests": [{"custom_id": 1, "params": {}}]}', "requests.0.custom_id: Input", id="number as id"),
    pytest.param('{"requests": [{"custom_id": "a b", "params": {}}]}', "requests.0.custom_id: String", id="pattern"),
    pytest.param('{"requests": [{"custom_id": "a", "params": {}, "y": 1}]}', "requests.0.y: Extra", id="extra"),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
@pytest.mark.parametrize(("text", "problem"), REFUSED)
def test_what_is_no_batch_is_refused_with_the_name_of_the_field(text, problem, size):
    raw = text.encode()
    pieces = [raw[start : start + size] for start in range(0, min(len(raw), 20_000), size)] + [raw[20_000:]]
    with pytest.raises(InvalidRequest) as caught:
        fed(CreateReader(), pieces)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize("raw", [b'{"requests": [{"custom_id": "\xff', b'{"requests": "\xe2\x82'])
def test_bytes_that_are_no_text_are_refused(raw):
    with pytest.raises(InvalidRequest, match=r"UTF-8|valid list"):
        read_create(raw)


def test_one_custom_id_may_occur_once_and_the_list_may_not_be_too_long():
    requests = [write_request(id, {}) for id in ("a", "b", "a")]
    with pytest.raises(InvalidRequest, match=r"^requests\.2\.custom_id: `a` occurs before"):
        read_create(write_create(requests))
    with pytest.raises(InvalidRequest, match=r"^requests: List should have at most 1 items"):
        read_create(write_create(requests), max_requests=1)


def test_complaints_and_records_never_show_a_prompt():
    raw = b'{"requests": [{"custom_id": "a", "params": {"messages": "the secret word"}}, {"custom_id": "b", '
    with pytest.raises(InvalidRequest) as caught:
        read_create(raw)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(BatchRequest("a", {"messages": "the secret word"}))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        pytest.param({"stream": True}, "stream", id="stream"),
        pytest.param({"max_tokens": 0}, "max_tokens", id="pre-warming"),
        pytest.param({"speed": "fast"}, "speed", id="speed"),
        pytest.param({"thread": {}}, "thread", id="thread"),
        pytest.param({"stream": False, "max_tokens": 5, "speed": None}, None, id="nothing wrong"),
    ],
)
def test_what_has_no_place_in_a_batch_is_named(asked, field):
    problem = params_problem(asked)
    assert problem is None if field is None else problem.startswith(f"{field}: ")
