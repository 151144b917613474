"""A wrong manifest is refused with its file, table and key."""

from pathlib import Path

import pytest

from semcache.errors import ManifestError
from semcache.pricing import PriceBook

SHIPPED = Path(__file__).parents[1] / "models" / "claude.toml"


def load_changed(tmp_path, old, new):
    path = tmp_path / "claude.toml"
    text = SHIPPED.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return PriceBook.load(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param("schema_version = 1", "schema_version = 2", r"schema_version: expected 1", id="newer schema"),
        pytest.param("checked = 2026-11-23", "", r"claude\.toml: checked is missing", id="missing key"),
        pytest.param(
            "input = 8,", 'input = "8",', r"claude-fable-5-2: prices.*input must be a number", id="text price"
        ),
        pytest.param("input = 8,", "input = -8,", r"input must not be negative", id="negative price"),
        pytest.param("output = 40,", "", r"output is missing", id="missing price"),
        pytest.param(
            "cache_read = 0.2 }]", "cache_read = 0.2, tip = 1 }]", r"tip is not a known key", id="unknown key"
        ),
        pytest.param(
            'lifecycle = "active"', 'lifecycle = "lively"', r"lifecycle must be one of", id="unknown lifecycle"
        ),
        pytest.param('default = "high"', 'default = "most"', r"effort: default must be one of", id="unknown effort"),
        pytest.param('id = "claude-mythos-5-2"', 'id = "claude-fable-5-2"', r"given twice", id="one id twice"),
        pytest.param("from = 2026-10-07, ", "", r"prices must be in the order", id="price rows without order"),
        pytest.param("released = 2026-11-09", "released = soon", r"not valid TOML", id="broken TOML"),
    ],
)
def test_an_inconsistent_manifest_names_what_is_wrong(tmp_path, old, new, complaint):
    with pytest.raises(ManifestError, match=complaint):
        load_changed(tmp_path, old, new)


def test_a_successor_that_does_not_exist_is_refused(tmp_path):
    old = 'claude-haiku-4-5-20250514 = "claude-haiku-5-5"'
    with pytest.raises(ManifestError, match="claude-haiku-9 is not a model"):
        load_changed(tmp_path, old, 'claude-haiku-4-5-20250514 = "claude-haiku-9"')


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        PriceBook.load(tmp_path / "claude.toml")
