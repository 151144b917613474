"""The embedder of the tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.embedders.hashed import HashedEmbedder

EMBEDDER = HashedEmbedder()


def similarity(one: str, other: str) -> float:
    return float(EMBEDDER.embed(one).vector @ EMBEDDER.embed(other).vector)


def test_vectors_are_the_same_on_every_machine() -> None:
    vector = HashedEmbedder(dims=8).embed("Reset my password").vector

    assert vector == pytest.approx([-0.53357, 0.04002, 0.0667, -0.04002, -0.04002, 0.10671, 0.53357, 0.64028], abs=1e-4)


def test_case_and_spaces_do_not_matter() -> None:
    assert similarity("Reset my password", "reset  my\nPASSWORD") == pytest.approx(1, abs=1e-6)


def test_overlap_counts_and_meaning_does_not() -> None:
    asked = "How do I reset my password?"

    assert similarity(asked, "How do I reset the password?") > similarity(asked, "I forgot my login secret")


@given(st.text())
def test_any_text_has_a_vector_of_unit_length(text: str) -> None:
    assert np.linalg.norm(EMBEDDER.embed(text).vector) == pytest.approx(1, abs=1e-5)
