"""Finds an original model (pip package, local folder or hub), checks its files and loads it."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semcache.embedders.built import sha256_of
from semcache.embedders.manifest import EmbedderSpec, Pooling, closest, find_manifest, read_manifest
from semcache.errors import EmbedderError, ManifestError, MissingExtra

if TYPE_CHECKING:
    from semcache.entry import Vectors

logger = logging.getLogger(__name__)

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "tokenizer.json")


@dataclass(frozen=True)
class Origin:
    """Where a model comes from; `place` is what sentence-transformers is given, None: see the spec.

    `sha256` is what is known of its files before it is loaded: of a bare hub name, nothing.
    """

    name: str
    label: str
    place: str | None
    sha256: Mapping[str, str] = field(default_factory=dict)
    spec: EmbedderSpec | None = None


@dataclass(frozen=True)
class Original:
    """A loaded sentence-transformers model of a kind that can be embedded in windows."""

    model: Any
    pooling: Pooling
    dims: int
    window_tokens: int
    tokenizer: str  # the definition, as in tokenizer.json
    inputs: tuple[str, ...]

    def word_table(self) -> Vectors:
        """The input embeddings: a row for each token of the vocabulary."""
        weight = self.model[0].auto_model.get_input_embeddings().weight
        rows: Vectors = weight.detach().float().cpu().numpy()
        return rows


def resolve_source(name: str, *, models_dir: Path) -> EmbedderSpec | Path | str:
    """A name of the manifest, a folder, or a hub name `owner/model`. Raises `ManifestError`."""
    models = read_manifest(find_manifest(models_dir))
    for spec in models.values():
        if name in (spec.name, spec.hub):
            return spec
    if Path(name).is_dir():
        return Path(name)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return name
    raise ManifestError(f"{name!r}: neither a model of embedders.toml, a folder nor a hub name{closest(name, models)}")


def origin_of(source: EmbedderSpec | Path | str) -> Origin:
    """Touches neither network nor PyTorch."""
    match source:
        case EmbedderSpec():
            return Origin(source.name, f"hub:{source.hub}", None, source.sha256, source)
        case Path():
            folder = source.resolve()
            if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
                raise EmbedderError(f"{source}: no model there; it has neither modules.json nor config.json")
            files = sorted({path for pattern in _WEIGHTS for path in folder.rglob(pattern)})
            hashes = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
            return Origin(re.sub(r"[^\w.-]", "-", folder.name), f"folder:{folder.name}", str(folder), hashes)
        case str():
            return Origin(source.rstrip("/").rpartition("/")[2], f"hub:{source}", source)


def load_original(origin: Origin, *, device: str | None = None, attention: str | None = None) -> Original:
    """Load with sentence-transformers, from the hub where it is nowhere else.

    `attention` is the implementation; None leaves it to the library. Raises `EmbedderError`, `MissingExtra`.
    """
    place = origin.place if origin.spec is None else str(_checked_folder(origin.spec))
    sentence_transformers = _sentence_transformers()
    from safetensors import SafetensorError

    try:
        options = {"attn_implementation": attention} if attention else {}
        model = sentence_transformers.SentenceTransformer(place, device=device, model_kwargs=options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise EmbedderError(f"{origin.name}: sentence-transformers cannot load {place}: {error}") from error
    model.eval()
    original = _described(model, origin.name)
    _agree(original, origin.spec)
    return original


def require_files(folder: Path, spec: EmbedderSpec) -> None:
    """Raise `EmbedderError` where a file of the model is not what the manifest says."""
    for file, expected in spec.sha256.items():
        path = folder / file
        if not path.is_file():
            raise EmbedderError(f"{path}: missing; reinstall {_package_name(spec)}")
        if (found := sha256_of(path)) != expected:
            raise EmbedderError(
                f"{path}: not the file that embedders.toml names: sha256 {found[:12]}…, expected {expected[:12]}…; "
                f"reinstall {_package_name(spec)}"
            )


def _checked_folder(spec: EmbedderSpec) -> Path:
    folder = _package_folder(spec) or _from_hub(spec)
    require_files(folder, spec)
    return folder


def _package_folder(spec: EmbedderSpec) -> Path | None:
    if spec.package is None:
        return None
    module, _, inside = spec.package.folder.partition("/")
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / inside


def _from_hub(spec: EmbedderSpec) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise missing_extra() from error
    logger.info("fetching %s from the hub", spec.hub)
    wanted = ["*.json", "*.txt", "*.safetensors", "*.model"]
    try:
        return Path(snapshot_download(spec.hub, allow_patterns=wanted, ignore_patterns=["onnx/*", "openvino/*"]))
    except (OSError, ValueError) as error:
        way = f"run `pip install {_package_name(spec)}`" if spec.package else "build from a local folder"
        raise EmbedderError(f"{spec.name}: cannot be fetched from the hub as {spec.hub}; {way}") from error


def _package_name(spec: EmbedderSpec) -> str:
    return f"{spec.package.name}=={spec.package.version}" if spec.package else spec.hub


def _sentence_transformers() -> Any:
    try:
        import sentence_transformers
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise missing_extra() from error
    transformers_logging.disable_progress_bar()
    return sentence_transformers


def missing_extra() -> MissingExtra:
    return MissingExtra("sentence-transformers and PyTorch are not installed; run `pip install 'semcache[build]'`")


def _described(model: Any, name: str) -> Original:
    """What windows and export need to know of a model; or say why it cannot be used."""
    modules = [type(module).__name__ for module in model]
    if modules not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise EmbedderError(f"{name}: modules {', '.join(modules)}; only Transformer, Pooling, Normalize are supported")
    if model.default_prompt_name:
        raise EmbedderError(f"{name}: wants the prompt {model.default_prompt_name!r} before every text; not supported")
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EmbedderError(f"{name}: has no fast tokenizer (tokenizer.json); not supported")
    window_tokens = model.max_seq_length
    if not isinstance(window_tokens, int) or window_tokens > 100_000:
        raise EmbedderError(f"{name}: does not say how many tokens it takes; set max_seq_length in its folder")
    return Original(model, _pooling(model[1], name), _dims(model), window_tokens, backend.to_str(), _inputs(model))


def _pooling(pooling: Any, name: str) -> Pooling:
    mode = pooling.get_pooling_mode_str() if hasattr(pooling, "get_pooling_mode_str") else pooling.pooling_mode
    try:
        return Pooling(mode)
    except ValueError:
        raise EmbedderError(f"{name}: pools by {mode}; only mean and cls are supported") from None


def _dims(model: Any) -> int:
    """Named differently before and after sentence-transformers 5.4."""
    ask = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
    return int(ask())


def _inputs(model: Any) -> tuple[str, ...]:
    taken = inspect.signature(model[0].auto_model.forward).parameters
    offered = {*model.tokenizer.model_input_names, "attention_mask"}
    return tuple(
        name for name in ("input_ids", "attention_mask", "token_type_ids") if name in taken and name in offered
    )


def _agree(original: Original, spec: EmbedderSpec | None) -> None:
    if spec is None:
        return
    for key, said, found in (
        ("dims", spec.dims, original.dims),
        ("window_tokens", spec.window_tokens, original.window_tokens),
        ("pooling", spec.pooling, original.pooling),
    ):
        if said != found:
            raise EmbedderError(f"{spec.name}: embedders.toml says {key} = {said}, the model has {found}; correct it")
