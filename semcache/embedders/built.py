"""The folder of a built model: what is in it, its fingerprint, and whether it is intact."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from semcache.embedders.manifest import Pooling
from semcache.errors import EmbedderError, MissingModel

SCHEMA_VERSION = 2
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
WORDS_FILE = "words.npy"
BUILT_FILE = "built.json"


@dataclass(frozen=True)
class Built:
    """built.json. `probe` is the vector of `PROBE` by exact arithmetic; see `semcache.embedders.onnx`."""

    name: str
    fingerprint: str
    dims: int
    window_tokens: int
    pooling: Pooling
    source: str
    source_sha256: Mapping[str, str]
    sha256: Mapping[str, str]
    probe: tuple[float, ...] = ()
    check: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifacts:
    """A built model in memory, verified."""

    built: Built
    model: bytes = field(repr=False)
    tokenizer: bytes = field(repr=False)
    words: bytes = field(repr=False)


def fingerprint_of(name: str, pooling: Pooling, window_tokens: int, sha256: Mapping[str, str]) -> str:
    """Equal exactly when the same text gets the same vector. Fit to be part of a file's name."""
    parts = [name, "int8", pooling.value, str(window_tokens), sha256[MODEL_FILE], sha256[TOKENIZER_FILE]]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{name}-int8-{digest[:32]}"


def write_built(folder: Path, built: Built) -> None:
    body = {"schema_version": SCHEMA_VERSION, **asdict(built), "pooling": built.pooling.value}
    (folder / BUILT_FILE).write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", "utf-8")


def read_built(folder: Path) -> Built:
    """Raises `MissingModel` where nothing was built, `EmbedderError` where it cannot be understood."""
    path = folder / BUILT_FILE
    try:
        body = json.loads(path.read_bytes())
        if body.pop("schema_version") != SCHEMA_VERSION:
            raise EmbedderError(f"{path}: built by another version of semcache; {remedy(folder)}")
        body |= {"pooling": Pooling(body["pooling"]), "probe": tuple(map(float, body["probe"]))}
        body |= {key: int(body[key]) for key in ("dims", "window_tokens")}
        body |= {key: dict(body[key]) for key in ("sha256", "source_sha256")}
        return Built(**body)
    except FileNotFoundError as error:
        raise MissingModel(f"the embedding model {folder.name} is not built; run `semcache models build`") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmbedderError(f"{path}: cannot be read ({type(error).__name__}); {remedy(folder)}") from error


def read_artifacts(folder: Path) -> Artifacts:
    """The verified bytes of a built model: what was hashed is what will run.

    Raises `MissingModel` or `EmbedderError`.
    """
    built = read_built(folder)
    contents = {}
    for file in (MODEL_FILE, TOKENIZER_FILE, WORDS_FILE):
        try:
            contents[file] = (folder / file).read_bytes()
        except OSError as error:
            raise EmbedderError(f"{folder / file}: cannot be read: {error}; {remedy(folder)}") from error
        if hashlib.sha256(contents[file]).hexdigest() != built.sha256.get(file):
            raise EmbedderError(f"{folder / file}: not the file that was built; {remedy(folder)}")
    if fingerprint_of(built.name, built.pooling, built.window_tokens, built.sha256) != built.fingerprint:
        raise EmbedderError(f"{folder / BUILT_FILE}: the fingerprint does not fit the model; {remedy(folder)}")
    return Artifacts(built, contents[MODEL_FILE], contents[TOKENIZER_FILE], contents[WORDS_FILE])


def remedy(folder: Path) -> str:
    return f"delete {folder} and run `semcache models build`"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
