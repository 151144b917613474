"""Vectors of words by themselves, on every embedder, and the table they come from."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.embedders.built import BUILT_FILE, WORDS_FILE
from semcache.embedders.embedder import Embedder
from semcache.embedders.hashed import HashedEmbedder
from semcache.embedders.onnx import OnnxEmbedder
from semcache.embedders.words import MOST_PIECES, WORD_DIMS, reduced
from semcache.errors import EmbedderError

QUESTION = "How do I change the address of my order?"


def rows_like(seed: int, shape: tuple[int, int]) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def npy(rows: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


@pytest.mark.parametrize("text", [QUESTION, "注文をキャンセルしたい", "🙂 ok", "a\ud800b", "order-17/B"])
def test_every_piece_has_a_vector_of_unit_length(embedder: Embedder, text: str) -> None:
    found = embedder.words(text)

    assert len(found.pieces) == len(found.vectors) > 0
    assert found.vectors.dtype == np.float32
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1, abs=1e-3)


def test_the_pieces_are_the_text_in_its_order(embedder: Embedder) -> None:
    said = "".join(piece.removeprefix("##") for piece in embedder.words(QUESTION).pieces)

    assert said == QUESTION.lower().replace(" ", "")


def test_an_empty_text_has_no_words(embedder: Embedder) -> None:
    found = embedder.words("")

    assert found.pieces == ()
    assert found.vectors.shape == (0, embedder.words(QUESTION).vectors.shape[1])


def test_of_a_long_text_the_beginning_counts(embedder: Embedder) -> None:
    long, beginning = embedder.words("card " * 5000), embedder.words("card " * 100)

    assert len(long.pieces) == len(long.vectors)
    assert long.pieces[:100] == beginning.pieces


def test_two_long_texts_are_aligned_at_a_bounded_cost(default_folder: Path) -> None:
    assert len(OnnxEmbedder(default_folder).words("card " * 5000).pieces) == MOST_PIECES


def test_a_word_has_the_same_vector_in_every_text(embedder: Embedder) -> None:
    one, other = embedder.words("the card"), embedder.words("how is the old card for my mother opened?")

    for piece in ("the", "card"):
        left, right = (found.vectors[found.pieces.index(piece)] for found in (one, other))
        assert np.array_equal(left, right)


def test_words_are_nearer_to_their_kin_than_to_strangers(default_folder: Path) -> None:
    embedder = OnnxEmbedder(default_folder)
    buy, purchase, volcano = (embedder.words(word).vectors[0] for word in ("buy", "purchase", "volcano"))

    assert buy.shape == (WORD_DIMS,)
    assert buy @ purchase > 0.5 > buy @ volcano


@given(st.text(max_size=200))
def test_any_text_has_words_on_the_hashing_embedder(text: str) -> None:
    found = HashedEmbedder().words(text)

    assert len(found.pieces) == len(found.vectors)
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(np.ones(len(found.pieces)), abs=1e-5)


@pytest.mark.parametrize(("width", "kept"), [(200, WORD_DIMS), (32, 32)])
def test_a_reduced_table_keeps_its_rows_at_unit_length(width: int, kept: int) -> None:
    small = reduced(rows_like(1, (500, width)))

    assert small.shape == (500, kept)
    assert small.dtype == np.float16
    assert np.linalg.norm(small.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)
    assert np.array_equal(small, reduced(rows_like(1, (500, width))))


def test_reducing_keeps_what_tells_rows_apart_and_drops_what_all_share() -> None:
    told, shared = rows_like(2, (300, 40)), np.full((1, 200), 7.0, np.float32)
    table = np.hstack([told, 0.01 * rows_like(3, (300, 160))]) + shared

    small = reduced(table).astype(np.float32)

    centred = told - told.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    assert small @ small.T == pytest.approx(centred @ centred.T, abs=0.02)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"", "not a table of word vectors", id="empty"),
        pytest.param(b"PK\x03\x04 something else", "not a table of word vectors", id="another format"),
        pytest.param(npy(rows_like(4, (40_000, 8)))[:5000], "not a table of word vectors", id="cut short"),
        pytest.param(npy(np.array([{"a": 1}], object)), "not a table of word vectors", id="pickled objects"),
        pytest.param(npy(np.zeros((10, 8), np.float16)), "for each of 30522 word pieces", id="too few rows"),
        pytest.param(npy(np.zeros(40_000, np.float16)), "for each of 30522 word pieces", id="no table"),
        pytest.param(npy(np.zeros((40_000, 8), np.int8)), "for each of 30522 word pieces", id="whole numbers"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_a_remedy(default_copy: Path, content: bytes, complaint: str) -> None:
    """Even where its checksum is the one that stands in the description."""
    (default_copy / WORDS_FILE).write_bytes(content)
    path = default_copy / BUILT_FILE
    built = json.loads(path.read_text())
    built["sha256"][WORDS_FILE] = sha256(content).hexdigest()
    path.write_text(json.dumps(built))

    with pytest.raises(EmbedderError, match=rf"{WORDS_FILE}: .*{complaint}.*; delete .* run `semcache models build`"):
        OnnxEmbedder(default_copy)
