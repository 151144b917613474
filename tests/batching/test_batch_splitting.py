"""Requests are split across upstream batches within the limits, next to those that share their prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.batching.markers import Mark, new_marker, read_mark
from semcache.batching.requests import FRAME_BYTES, write_create, write_request
from semcache.batching.splitting import Limits, Parcel, Prefix, prefix_of, split
from semcache.errors import InvalidRequest

prefixes = st.builds(Prefix, st.sampled_from("ABC"), st.sampled_from(["", "x", "y"]))
shapes = st.lists(st.tuples(st.integers(1, 40), prefixes, st.sampled_from(["one", "two"])), max_size=40)
limits = st.builds(Limits, st.integers(1, 12), st.integers(FRAME_BYTES + 41, 200))


def parcels_of(shapes):
    return [Parcel(place, size, prefix, lane) for place, (size, prefix, lane) in enumerate(shapes)]


@given(shapes=shapes, bounds=limits)
def test_every_request_is_in_exactly_one_load_within_the_limits(shapes, bounds):
    parcels = parcels_of(shapes)
    loads = split(parcels, bounds)
    assert sorted(place for load in loads for place in load.places) == list(range(len(parcels)))
    for load in loads:
        assert 1 <= len(load.places) <= bounds.max_requests
        size_bytes = FRAME_BYTES + sum(parcels[place].size_bytes + 1 for place in load.places)
        assert size_bytes == load.size_bytes <= bounds.max_bytes
        assert {parcels[place].lane for place in load.places} == {load.lane}


@given(shapes=shapes, bounds=limits)
def test_requests_with_one_prefix_stay_in_order_next_to_each_other(shapes, bounds):
    parcels = parcels_of(shapes)
    sent = [parcels[place] for load in split(parcels, bounds) for place in load.places]
    for key in (lambda each: (each.lane, each.prefix), lambda each: (each.lane, each.prefix.head)):
        runs = [key(each) for at, each in enumerate(sent) if at == 0 or key(sent[at - 1]) != key(each)]
        assert len(runs) == len(set(runs))
    for kind in {(each.lane, each.prefix) for each in sent}:
        places = [each.place for each in sent if (each.lane, each.prefix) == kind]
        assert places == sorted(places)


@given(shapes=shapes, bounds=limits)
def test_a_prefix_is_torn_apart_only_where_no_load_could_hold_it(shapes, bounds):
    parcels, loads = parcels_of(shapes), split(parcels_of(shapes), bounds)
    for level in (lambda each: each.prefix.head, lambda each: each.prefix):
        for kind in {(each.lane, level(each)) for each in parcels}:
            group = [each for each in parcels if (each.lane, level(each)) == kind]
            size_bytes = FRAME_BYTES + sum(each.size_bytes + 1 for each in group)
            holders = [load for load in loads if {each.place for each in group} & set(load.places)]
            if len(group) <= bounds.max_requests and size_bytes <= bounds.max_bytes:
                assert len(holders) == 1


def test_a_hundred_thousand_fit_into_one_batch_and_one_more_needs_a_second():
    parcels = [Parcel(place, 100, Prefix("same")) for place in range(100_001)]
    assert [len(load.places) for load in split(parcels)] == [100_000, 1]


def test_the_size_of_a_load_is_that_of_the_body_less_one_comma():
    written = [write_request(f"id-{n}", {"n": n}) for n in range(5)]
    (load,) = split([Parcel(n, len(each), Prefix("same")) for n, each in enumerate(written)])
    assert load.size_bytes - 1 == len(write_create(written))


def test_a_request_larger_than_a_batch_is_refused_by_name():
    with pytest.raises(InvalidRequest, match=r"^requests\.3: larger than the 100 bytes"):
        split([Parcel(3, 100, Prefix("any"))], Limits(max_bytes=100))


MARKED = {"role": "user", "content": [{"type": "text", "text": "A document", "cache_control": {"type": "ephemeral"}}]}


def asked(**changes):
    return {
        "model": "claude-haiku-5-5",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Why?"}],
    } | changes


@pytest.mark.parametrize(
    ("other", "is_shared"),
    [
        pytest.param(asked(max_tokens=9, messages=[]), True, id="another question"),
        pytest.param(asked(model="claude-opus-5-5"), False, id="another model"),
        pytest.param(asked(system="Be long."), False, id="another system prompt"),
        pytest.param(asked(tools=[{"name": "look"}]), False, id="tools"),
    ],
)
def test_requests_share_a_head_when_model_tools_and_system_are_equal(other, is_shared):
    assert (prefix_of(asked()).head == prefix_of(other).head) is is_shared


def test_requests_share_what_is_marked_of_their_conversation():
    after = [{"role": "user", "content": question} for question in ("Why?", "When?")]
    first, second = (prefix_of(asked(messages=[MARKED, turn])) for turn in after)
    assert first == second != prefix_of(asked())
    assert prefix_of(asked(messages=["odd", {"content": [1]}, None])).marked == ""


def test_our_custom_ids_tell_sending_and_place_and_no_others_do():
    marker = new_marker(bytes(range(15)))
    mark = Mark(marker, 99_999)
    assert read_mark(mark.custom_id) == mark
    assert len(mark.custom_id) <= 64
    for foreign in ("", "my-1", marker, f"{marker}-", f"{marker}-01", f"{marker}-1\n", f"{marker.upper()}-1"):
        assert read_mark(foreign) is None
    with pytest.raises(ValueError, match="15 random bytes"):
        new_marker(b"short")
