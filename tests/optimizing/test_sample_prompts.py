"""The ten sample prompts of the benchmark: the checks tell their shorter versions from the forgetful ones."""

from __future__ import annotations

import pytest
from prompt_optimisation import samples

from semcache.optimizing.checklist import lost_in
from semcache.optimizing.protected import missing_in
from semcache.optimizing.trying import LEAST_DECIDED
from semcache.strategies.tidying import tidy

SAMPLES = {sample.name: sample for sample in samples()}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_shorter_version_passes_and_the_forgetful_one_does_not(name: str) -> None:
    sample = SAMPLES[name]
    assert (lost_in(sample.shorter, sample.original), missing_in(sample.shorter, sample.original)) == ((), {})
    assert lost_in(sample.bad, sample.original)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_as_long_as_prompts_are_and_has_requests_enough(name: str) -> None:
    sample = SAMPLES[name]
    assert 200 <= len(sample.original.split()) <= 1200
    assert LEAST_DECIDED < len(sample.rows) <= 10


def test_there_are_ten() -> None:
    assert len(SAMPLES) == 10


@pytest.mark.parametrize("name", SAMPLES)
def test_tidying_leaves_every_word_in_its_place(name: str) -> None:
    assert tidy(SAMPLES[name].original).split() == SAMPLES[name].original.split()
