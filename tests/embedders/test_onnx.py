"""The default embedder: what it refuses to open, and what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semcache.embedders.built import BUILT_FILE, MODEL_FILE, TOKENIZER_FILE, WORDS_FILE, read_artifacts
from semcache.embedders.forward import ForwardPass
from semcache.embedders.onnx import PROBE, OnnxEmbedder
from semcache.embedders.windows import Windower
from semcache.errors import EmbedderError, MissingModel


def test_a_model_that_is_not_built_names_the_command_that_builds_it(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="semcache models build"):
        OnnxEmbedder(tmp_path / "all-MiniLM-L6-v2")


@pytest.mark.parametrize("file", [MODEL_FILE, TOKENIZER_FILE, WORDS_FILE])
def test_a_file_with_one_changed_byte_is_refused_with_a_remedy(default_copy: Path, file: str) -> None:
    content = bytearray((default_copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (default_copy / file).write_bytes(content)

    with pytest.raises(EmbedderError, match=rf"{file}: not the file that was built; delete .* run `semcache models"):
        OnnxEmbedder(default_copy)


@pytest.mark.parametrize("file", [MODEL_FILE, TOKENIZER_FILE, WORDS_FILE])
def test_a_missing_file_is_refused_with_a_remedy(default_copy: Path, file: str) -> None:
    (default_copy / file).unlink()

    with pytest.raises(EmbedderError, match=r"cannot be read.*semcache models build"):
        OnnxEmbedder(default_copy)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"fingerprint": "all-MiniLM-L6-v2-int8-0"}, "fingerprint", id="another fingerprint"),
        pytest.param({"window_tokens": 128}, "fingerprint", id="another window"),
        pytest.param({"pooling": "cls"}, "fingerprint", id="another pooling"),
        pytest.param({"pooling": "max"}, "cannot be read", id="unknown pooling"),
        pytest.param({"schema_version": 99}, "another version", id="of a newer version"),
        pytest.param({"sha256": []}, "not the file that was built", id="no hashes"),
        pytest.param({"dims": "many"}, "cannot be read", id="a size that is no number"),
        pytest.param({"surprise": 1}, "cannot be read", id="unknown key"),
        pytest.param({"probe": [1.0] + [0.0] * 383}, "does not get the vectors", id="other vectors than the build"),
        pytest.param({"dims": 16}, "does not get the vectors", id="another size"),
    ],
)
def test_a_description_that_does_not_fit_the_model_is_refused(
    default_copy: Path, change: dict[str, Any], complaint: str
) -> None:
    path = default_copy / BUILT_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(EmbedderError, match=complaint):
        OnnxEmbedder(default_copy)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"schema_version": 1}'])
def test_a_broken_description_is_refused_with_a_remedy(default_copy: Path, content: bytes) -> None:
    (default_copy / BUILT_FILE).write_bytes(content)

    with pytest.raises(EmbedderError, match="semcache models build"):
        OnnxEmbedder(default_copy)


def test_a_closed_embedder_says_so_and_can_be_closed_again(default_folder: Path) -> None:
    embedder = OnnxEmbedder(default_folder, threads=2)
    embedder.embed_many(["one", "two", "three"])
    embedder.close()
    embedder.close()

    with pytest.raises(EmbedderError, match="closed"):
        embedder.embed("anything")


def test_paraphrases_are_near_and_strangers_are_far(default_folder: Path) -> None:
    embedder = OnnxEmbedder(default_folder)
    texts = ("How do I reset my password?", "I forgot my password, how do I set a new one?", "Best pizza dough?")
    asked, again, other = (embedder.embed(text).vector for text in texts)

    assert asked @ again > 0.7
    assert asked @ other < 0.3


def test_windows_are_of_about_the_same_length_and_keep_every_token(default_folder: Path) -> None:
    text = " ".join(["word"] * 300)
    embedding = OnnxEmbedder(default_folder).embed(text, tokens=True)

    assert len(embedding.windows) == 2
    assert embedding.token_texts == ("word",) * 300
    assert embedding.windows[0] @ embedding.windows[1] == pytest.approx(1, abs=1e-5)  # 150 words each


def test_serving_imports_neither_pytorch_nor_transformers(default_folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from semcache.embedders.opening import open_embedder;"
        "e = open_embedder(sys.argv[2], models_dir=Path(sys.argv[1])); e.embed('hi', tokens=True);"
        "e.embed_many(['a', 'b']); print(*sys.modules)"
    )
    command = [sys.executable, "-c", script, str(default_folder.parent), default_folder.name]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    assert "onnxruntime" in loaded
    assert not {"torch", "transformers", "sentence_transformers", "onnx", "scipy", "huggingface_hub"} & loaded


def test_neighbours_do_not_change_a_vector_by_a_single_bit(default_folder: Path) -> None:
    embedder = OnnxEmbedder(default_folder, threads=2)
    text = "Is the museum open on Mondays?"
    alone = embedder.embed(text).vector

    for neighbour in ("hi", "A text that is quite a bit longer than the one beside it, with many more words in it."):
        assert np.array_equal(embedder.embed_many([neighbour, text])[1].vector, alone)


def test_the_kernels_for_processors_without_vnni_give_the_same_vector(default_folder: Path) -> None:
    artifacts = read_artifacts(default_folder)
    tokens = artifacts.built.window_tokens
    window = Windower(artifacts.tokenizer.decode(), window_tokens=tokens).windows(PROBE)[0]

    vector = ForwardPass(artifacts.model, window_tokens=tokens, precise=True).pooled(window)[0]

    assert vector == pytest.approx(np.array(artifacts.built.probe), abs=1e-4)


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(EmbedderError, match="cannot load the model"):
        ForwardPass(b"not a model", window_tokens=8)
