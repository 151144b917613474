"""Sends the version of a system prompt that somebody approved in the place of the original, for most conversations."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

from semcache.canonical import digest
from semcache.errors import StoreError
from semcache.journal import Journalled, operation
from semcache.pricing import PriceBook, estimate_tokens
from semcache.request import Json, Request
from semcache.stores.store import Store
from semcache.strategies.compression.turns import blocks_of, unmarked
from semcache.strategies.consent import Consent

logger = logging.getLogger(__name__)

STRATEGY = "prompt_optimisation"
DOCUMENT, SIDES_DOCUMENT = "approved-prompts", "approved-prompts-served"
REREAD_SECONDS = 30.0
REVERTED_KEPT_SECONDS = 30 * 86_400.0  # conversations that began with a version go on with it


@dataclass(frozen=True)
class Approved:
    """A version and what was known when it was approved. `control_share` of the conversations keep the original."""

    original: str  # see `prompt_hash`
    text: str = field(repr=False)
    approved_at: float
    tokens_before: int
    tokens_after: int
    control_share: float
    agreement: Json = field(default_factory=dict)  # same, different, undecided, low, high
    reverted_at: float | None = None

    @property
    def id(self) -> str:
        """Names this version of this original."""
        return digest([self.original, self.text])[:16]


class ApprovedPrompts:
    """The book of approved versions: read from the store, written by whoever approves. Thread-safe."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._versions: tuple[Approved, ...] = ()
        self._read_at = float("-inf")
        self._lock = Lock()

    def versions(self) -> tuple[Approved, ...]:
        """All, the reverted too, as the store had them half a minute ago at most; where it fails, as they were."""
        with self._lock:
            if self._clock() - self._read_at >= REREAD_SECONDS:
                self._read_at = self._clock()
                try:
                    self._versions = read_approved(self._store)
                except StoreError as error:
                    logger.warning("approved prompts could not be read: %s", type(error).__name__)
            return self._versions

    def approve(self, version: Approved) -> None:
        """From now on this one is used for its original. Raises `StoreError`."""
        others = [each for each in self._written() if each.id != version.id]
        self._write([*_reverted(others, version.original, self._clock()), version])

    def revert(self, original: str) -> bool:
        """From now on the original is used; False: it was already. Raises `StoreError`."""
        known = self._written()
        changed = _reverted(known, original, self._clock())
        self._write(changed)
        return changed != known

    def _written(self) -> list[Approved]:
        return list(read_approved(self._store))

    def _write(self, versions: Iterable[Approved]) -> None:
        since = self._clock() - REVERTED_KEPT_SECONDS
        kept = [asdict(each) for each in versions if each.reverted_at is None or each.reverted_at > since]
        self._store.save_document(DOCUMENT, json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        with self._lock:
            self._read_at = float("-inf")


class Replacing:
    """Pure but for the book: a conversation stays on its side however often it is sent."""

    def __init__(self, consent: Consent, book: ApprovedPrompts, prices: PriceBook) -> None:
        self._consent = consent
        self._book = book
        self._prices = prices

    def replaced(self, request: Request) -> Request:
        """The request with approved versions where there are any, it is allowed, and it is no control."""
        return self.replaced_by(request, self.chosen(request))

    def chosen(self, request: Request) -> tuple[Approved, ...]:
        """The versions that this request is to be sent with."""
        return tuple(version for version in self.open_to(request) if not is_control(request, version))

    def open_to(self, request: Request) -> tuple[Approved, ...]:
        """The versions in use for texts of this request, whichever side it is on."""
        if not request.body.get("system") or not self._consent.allows(request, STRATEGY):
            return ()
        in_use = [version for version in self._book.versions() if version.reverted_at is None]
        said = {prompt_hash(text) for text in system_texts(request.body)} if in_use else set()
        return tuple(version for version in in_use if version.original in said)

    def known(self, ids: Sequence[str]) -> tuple[Approved, ...] | None:
        """The versions of these ids, reverted or not; None where one is gone."""
        found = {version.id: version for version in self._book.versions()}
        return tuple(found[each] for each in ids) if found.keys() >= set(ids) else None

    def replaced_by(self, request: Request, versions: Sequence[Approved]) -> Request:
        """Marks and all other blocks stay."""
        if not versions:
            return request
        texts = {version.original: version.text for version in versions}
        system = _swapped(request.body.get("system"), texts)
        if system == request.body.get("system"):
            return request
        before, after = (
            sum(estimate_tokens(text) for text in system_texts(body)) for body in (request.body, {"system": system})
        )
        model = self._prices.model(request.model)
        tokens = int((before - after) * (model.tokenizer_factor if model is not None else 1))
        return request.reshaped(STRATEGY, {"system": system}).cutting(STRATEGY, tokens)


@dataclass
class _Side:
    requests: int = 0
    output_tokens: int = 0


class Sides(Journalled):
    """How many requests went with a version and with its original, and how much was answered. Thread-safe."""

    def __init__(self) -> None:
        self._sides: dict[str, tuple[_Side, _Side]] = {}
        self._lock = Lock()

    @operation
    def note(self, version: Approved, *, is_control: bool, output_tokens: int) -> None:
        with self._lock:
            side = self._sides.setdefault(version.id, (_Side(), _Side()))[is_control]
            side.requests += 1
            side.output_tokens += output_tokens

    def view(self, version_id: str) -> Json:
        """Requests of either side, and the mean tokens of their answers; None: none."""
        with self._lock:
            sides = self._sides.get(version_id, (_Side(), _Side()))
            return {
                name: {"requests": side.requests, "mean_output_tokens": _mean(side)}
                for name, side in zip(("version", "control"), sides, strict=True)
            }

    def to_bytes(self) -> bytes:
        with self._lock:
            return json.dumps({name: [asdict(side) for side in sides] for name, sides in self._sides.items()}).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError`, `KeyError` for what `to_bytes` did not write."""
        known = {str(name): (_side(with_it), _side(without)) for name, (with_it, without) in _items(content)}
        with self._lock:
            self._sides = known


def prompt_hash(text: str) -> str:
    """SHA-256 of a system prompt, in hex; white space around it does not count, as files end with a line."""
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()


def system_texts(body: Json) -> list[str]:
    """The system prompt's texts, each as one: a bare one, or those of its blocks."""
    blocks = blocks_of(body.get("system"))
    return [block["text"] for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str)]


def is_control(request: Request, version: Approved) -> bool:
    """By the first user turn, which a conversation keeps; of retries and later turns too."""
    opening = next((turn.get("content") for turn in request.messages if turn.get("role") == "user"), None)
    drawn = int(digest([version.original, unmarked(blocks_of(opening))])[:8], 16)
    return drawn < version.control_share * 2**32


def read_approved(store: Store) -> tuple[Approved, ...]:
    """As the store has them now. Raises `StoreError`, also for what nobody can read."""
    content = store.load_document(DOCUMENT)
    try:
        rows = [] if content is None else json.loads(content.decode("utf-8", "surrogatepass"))
        return tuple(Approved(**row) for row in rows)
    except (ValueError, TypeError) as error:
        raise StoreError(f"{DOCUMENT}: written by another version of semcache") from error


def _reverted(versions: Sequence[Approved], original: str, now: float) -> list[Approved]:
    return [
        Approved(**{**asdict(each), "reverted_at": now})
        if each.original == original and each.reverted_at is None
        else each
        for each in versions
    ]


def _swapped(system: Any, texts: dict[str, str]) -> Any:
    if isinstance(system, str):
        return texts.get(prompt_hash(system), system)
    if not isinstance(system, list):
        return system
    return [
        {**block, "text": texts.get(prompt_hash(block["text"]), block["text"])}
        if isinstance(block, dict) and isinstance(block.get("text"), str)
        else block
        for block in system
    ]


def _mean(side: _Side) -> float | None:
    return round(side.output_tokens / side.requests, 1) if side.requests else None


def _side(row: Json) -> _Side:
    return _Side(int(row["requests"]), int(row["output_tokens"]))


def _items(content: bytes) -> list[tuple[str, Any]]:
    known = json.loads(content)
    if not isinstance(known, dict):
        raise ValueError("not an object")
    return list(known.items())
