"""Rivals: candidates grouped by the answer they stand for."""

from __future__ import annotations

from evidence_samples import embedded, entry
from hypothesis import given
from hypothesis import strategies as st

from semcache.decision.rivals import rivals_of
from semcache.entry import Candidate, Exemplar, Label

OWNERS = [entry(f"ent_{number}") for number in range(4)]
EMBEDDING = embedded("any text")


def found(owner: int, similarity: float, label: Label = Label.POSITIVE) -> Candidate:
    exemplar = Exemplar(OWNERS[owner].id, f"text at {similarity}", EMBEDDING, label)
    return Candidate(OWNERS[owner], exemplar, similarity)


distinct = st.lists(
    st.tuples(st.integers(0, 3), st.floats(-1, 1, allow_nan=False), st.sampled_from(Label)),
    max_size=20,
    unique_by=lambda row: row[1],
)


def test_nothing_found_gives_no_rivals() -> None:
    assert rivals_of([]) == []


def test_an_answer_known_only_for_what_it_does_not_answer_is_no_rival() -> None:
    assert rivals_of([found(0, 0.9, Label.NEGATIVE)]) == []


def test_equally_near_answers_come_by_their_id() -> None:
    assert [rival.entry.id for rival in rivals_of([found(2, 0.5), found(1, 0.5)])] == ["ent_1", "ent_2"]


def test_the_nearest_text_that_an_answer_is_known_for_says_how_near_it_is() -> None:
    (rival,) = rivals_of([found(0, 0.4), found(0, 0.9, Label.NEGATIVE), found(0, 0.7)])
    assert rival.similarity == 0.7


@given(distinct)
def test_each_list_is_sorted_and_nothing_of_a_rival_is_lost(rows: list[tuple[int, float, Label]]) -> None:
    rivals = rivals_of([found(*row) for row in rows])
    for rival in rivals:
        for members in (rival.positives, rival.negatives):
            nearness = [member.similarity for member in members]
            assert nearness == sorted(nearness, reverse=True)
        kept = {member.similarity for member in (*rival.positives, *rival.negatives)}
        assert kept == {similarity for owner, similarity, _ in rows if OWNERS[owner] is rival.entry}
    known = {owner for owner, _, label in rows if label is Label.POSITIVE}
    assert {rival.entry.id for rival in rivals} == {OWNERS[owner].id for owner in known}
    assert [rival.similarity for rival in rivals] == sorted((rival.similarity for rival in rivals), reverse=True)


@given(distinct, st.randoms())
def test_the_order_in_which_candidates_come_does_not_matter(
    rows: list[tuple[int, float, Label]], randomness: object
) -> None:
    candidates = [found(*row) for row in rows]
    before = rivals_of(candidates)
    randomness.shuffle(candidates)  # type: ignore[attr-defined]
    assert rivals_of(candidates) == before
