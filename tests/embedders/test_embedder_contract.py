"""What every embedder promises, on every embedder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from semcache.embedders.embedder import Embedder

QUESTION = "How do I change the address of my order?"
LONG = " ".join(f"Item {number} of the order was delivered on time." for number in range(400))
TEXTS = [
    QUESTION,
    "",
    "Ou est passé mon remboursement ?",
    "注文をキャンセルしたい",
    "🙂" * 20,
    "a\ud800b",
    "line\none\x00two",
    LONG,
    "hi",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_vectors_are_of_unit_length_and_of_the_named_size(embedder: Embedder, text: str) -> None:
    embedding = embedder.embed(text)

    assert embedding.vector.shape == (embedder.dims,)
    assert embedding.vector.dtype == embedding.windows.dtype == np.float32
    assert np.linalg.norm(embedding.windows, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(embedding.vector) == pytest.approx(1, abs=1e-5)


def test_many_are_the_same_as_one_by_one_in_order(embedder: Embedder) -> None:
    together = embedder.embed_many(TEXTS)

    for text, embedding in zip(TEXTS, together, strict=True):
        alone = embedder.embed(text)
        assert embedding.vector == pytest.approx(alone.vector, abs=1e-5)
        assert embedding.windows.shape == alone.windows.shape


def test_no_texts_give_no_embeddings(embedder: Embedder) -> None:
    assert embedder.embed_many([]) == []


def test_the_same_text_gets_the_same_vector_whatever_came_before(embedder: Embedder) -> None:
    first = embedder.embed(QUESTION).vector
    embedder.embed_many(TEXTS)

    assert np.array_equal(embedder.embed(QUESTION).vector, first)


def test_a_short_text_is_one_window_and_a_long_one_several(embedder: Embedder) -> None:
    short, long = embedder.embed(QUESTION), embedder.embed(LONG)

    assert np.array_equal(short.windows, short.vector[None])
    assert len(long.windows) > 1
    mean = long.windows.mean(axis=0)
    assert long.vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_the_last_words_of_a_long_text_count(embedder: Embedder) -> None:
    first, second = embedder.embed(LONG + " I agree."), embedder.embed(LONG + " Please refund me!")

    assert len(first.windows) == len(second.windows)
    assert not np.allclose(first.windows[-1], second.windows[-1], atol=1e-3)
    assert not np.array_equal(first.vector, second.vector)


def test_all_of_a_long_text_has_token_vectors(embedder: Embedder) -> None:
    embedding = embedder.embed(LONG, tokens=True)

    assert embedding.tokens is not None
    assert embedding.tokens.shape == (len(embedding.token_texts), embedder.dims)
    assert np.linalg.norm(embedding.tokens, axis=1) == pytest.approx(1, abs=1e-5)
    assert "".join(embedding.token_texts).replace("##", "").count("item") == 400


def test_token_vectors_come_only_when_asked_for_and_change_nothing_else(embedder: Embedder) -> None:
    without, with_tokens = embedder.embed(QUESTION), embedder.embed(QUESTION, tokens=True)

    assert without.tokens is None
    assert without.token_texts == ()
    assert with_tokens.vector == pytest.approx(without.vector, abs=1e-6)


def test_an_empty_text_has_a_vector_and_no_tokens(embedder: Embedder) -> None:
    embedding = embedder.embed("", tokens=True)

    assert embedding.tokens is not None
    assert embedding.tokens.shape == (0, embedder.dims)
    assert embedding.token_texts == ()


def test_eight_threads_get_the_vectors_of_one(embedder: Embedder) -> None:
    texts = [f"{QUESTION} {number} " + "very " * (number % 7) for number in range(48)]
    expected = [embedder.embed(text).vector for text in texts]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: embedder.embed(text).vector, texts))

    assert np.array_equal(np.stack(found), np.stack(expected))


def test_a_text_is_nearer_to_its_likeness_than_to_another(embedder: Embedder) -> None:
    asked = embedder.embed(QUESTION).vector
    alike = embedder.embed("How can I change the address of an order?").vector
    other = embedder.embed("Which whales sing below the ice?").vector

    assert asked @ alike > asked @ other


def test_name_and_fingerprint_fit_into_the_name_of_a_file(embedder: Embedder) -> None:
    assert embedder.fingerprint.startswith(embedder.name)
    assert not set(embedder.fingerprint) & set('/\\: *?"<>|')
