"""Cutting texts into windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.embedders.windows import Windower
from semcache.errors import EmbedderError


@pytest.fixture(scope="module")
def definition(default_folder: Path) -> str:
    return (default_folder / "tokenizer.json").read_text("utf-8")


@pytest.fixture(scope="module")
def cut(definition: str) -> Callable[[str], list[list[int]]]:
    """The text's own tokens of each window, of a model with a window of ten."""
    windower = Windower(definition, window_tokens=10)
    return lambda text: [window.ids[window.first : window.last] for window in windower.windows(text)]


@given(words=st.integers(0, 60))
def test_windows_lose_nothing_fit_the_model_and_are_even(cut: Callable[[str], list[list[int]]], words: int) -> None:
    windows = cut("word " * words)

    assert sum(len(window) for window in windows) == words
    assert max(len(window) for window in windows) <= 8
    assert max(len(window) for window in windows) - min(len(window) for window in windows) <= 1
    assert len(windows) == max(1, -(-words // 8))


@pytest.fixture(scope="module")
def narrow_and_wide(definition: str) -> tuple[Windower, Windower]:
    return Windower(definition, window_tokens=10), Windower(definition, window_tokens=100_000)


@given(text=st.text())
def test_any_text_can_be_cut(narrow_and_wide: tuple[Windower, Windower], text: str) -> None:
    narrow, wide = narrow_and_wide
    whole = wide.windows(text)[0]

    windows = narrow.windows(text)

    assert [id for window in windows for id in window.ids[1:-1]] == whole.ids[1:-1]
    assert all(window.ids[0] == 101 and window.ids[-1] == 102 for window in windows)
    assert [piece for window in windows for piece in window.pieces] == whole.pieces


def test_a_window_without_room_for_text_is_refused(definition: str) -> None:
    with pytest.raises(EmbedderError, match="no room"):
        Windower(definition, window_tokens=2)


def test_a_broken_tokenizer_is_refused() -> None:
    with pytest.raises(EmbedderError, match="tokenizer cannot be read"):
        Windower("{}", window_tokens=10)
