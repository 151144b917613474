"""May this request be looked up, may this message be stored, does this stored entry fit: with the reason.

Reasons are stable words, for headers and metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from semcache.canonical import Identity
from semcache.decision.context import Standing, StandsAlone, standing_of
from semcache.decision.features import (
    Feature,
    carries_unknown_blocks,
    carries_unknown_fields,
    refers_to_remote_content,
    stateful_feature,
    tools_offered,
    wants_variety,
)
from semcache.decision.secrets import holds_secret
from semcache.decision.wording import is_personal, is_time_bound
from semcache.entry import Entry, Kind
from semcache.message import Message
from semcache.pricing import estimate_tokens
from semcache.request import Json, Mode, Request

NO_CACHE = "no-cache"
# Each window of a text is a forward pass; longer ones are seldom asked twice in other words (characters).
LONGEST_QUESTION = 16_000
_STORABLE_STOPS = frozenset({"end_turn", "stop_sequence"})
_REFUSED_STOPS = {  # a header may only carry words of ours
    stop: stop.replace("_", "-")
    for stop in ("max_tokens", "refusal", "pause_turn", "tool_use", "model_context_window_exceeded", "compaction")
}
_STORABLE_BLOCKS = frozenset({"text", "thinking", "redacted_thinking"})


@dataclass(frozen=True)
class SemanticLookup:
    """A stored answer to a similar question may be served, from where `standing` says; `faq`: from the FAQ too."""

    question: str
    faq: bool
    standing: Standing


@dataclass(frozen=True)
class ExactOnly:
    """Only the answer to this very request may be served, or, where `faq`, the namespace's FAQ."""

    reason: str
    faq: bool


@dataclass(frozen=True)
class NoLookup:
    """The cache may not answer."""

    reason: str


Permission = SemanticLookup | ExactOnly | NoLookup


def lookup_permission(request: Request, identity: Identity) -> Permission:
    """How far the cache may go for this request."""
    if reason := _no_lookup(request):
        return NoLookup(reason)
    question = identity.question
    if question is None:
        return ExactOnly(_speechless(request), faq=False)
    standing = standing_of(identity, question)
    faq = isinstance(standing, StandsAlone) and _faq_may_answer(request, identity, question)
    if reason := _exact_only(request, question):
        return ExactOnly(reason, faq=faq)
    return SemanticLookup(question, faq=faq, standing=standing)


def storage_refusal(request: Request, message: Message, *, max_bytes: int) -> str | None:
    """Why this message may not be stored as the answer to this request; None where it may."""
    if request.directives.no_store:
        return "no-store"
    feature = stateful_feature(request)
    if feature is not None:
        return feature.value
    return (
        _unfit_message(message.body)
        or _unfit_blocks(message)
        or _unfit_size(message, max_bytes)
        or ("secret" if _tells_secret(request, message) else None)
    )


def fits(entry: Entry, request: Request, *, now: float) -> str | None:
    """Why a stored entry may not be given to this request although it matches; None where it may."""
    if entry.expires_at is not None and now >= entry.expires_at:
        return "expired"
    max_age = request.directives.max_age_seconds
    if max_age is not None and now - entry.created_at > max_age:
        return "max-age"
    return _too_long(entry, request)


def _no_lookup(request: Request) -> str | None:
    if request.directives.mode is Mode.OFF:
        return "mode-off"
    if not request.model or not request.messages or request.max_tokens is None or request.max_tokens < 0:
        return "unreadable"
    if request.max_tokens == 0:
        return "prewarm"
    feature = stateful_feature(request)
    if feature is not None:
        return feature.value
    if wants_variety(request):
        return "variety"
    return NO_CACHE if request.directives.no_cache else None  # last: its answer is stored all the same


def _speechless(request: Request) -> str:
    """What a request without a question is: a prefilled answer, or a turn of an agent."""
    spoken = [turn.get("role") for turn in request.messages if turn.get("role") != "system"]
    prefilled = bool(spoken) and spoken[-1] == "assistant"
    return "prefill" if prefilled else "agent-turn"


def _exact_only(request: Request, question: str) -> str | None:
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("agent-turn", lambda: Feature.TOOL_USE in Feature.present_in(request)),
        ("tools", lambda: tools_offered(request)),
        ("image-reference", lambda: refers_to_remote_content(request)),
        ("unfamiliar", lambda: carries_unknown_fields(request) or carries_unknown_blocks(request)),
        ("too-long", lambda: len(question) > LONGEST_QUESTION),
        ("time-bound", lambda: is_time_bound(question)),
        ("personal", lambda: is_personal(question)),
    )
    return next((reason for reason, holds in checks if holds()), None)


def _faq_may_answer(request: Request, identity: Identity, question: str) -> bool:
    """Whether a curated text, spoken by nobody in particular, would be an answer to this request."""
    body = request.body
    if len(question) > LONGEST_QUESTION:
        return False
    if identity.companions or carries_unknown_fields(request) or carries_unknown_blocks(request):
        return False
    if body.get("stop_sequences") or _asks_for_form(body) or _forces_tool(body):
        return False
    return Feature.TOOL_USE not in Feature.present_in(request)


def _asks_for_form(body: Json) -> bool:
    output = body.get("output_config")
    return body.get("output_format") is not None or (isinstance(output, dict) and output.get("format") is not None)


def _forces_tool(body: Json) -> bool:
    choice = body.get("tool_choice")
    return isinstance(choice, dict) and choice.get("type") not in ("auto", "none")


def _unfit_message(body: Json) -> str | None:
    if body.get("type") != "message" or body.get("role") != "assistant":
        return "not-a-message"
    stop = body.get("stop_reason")
    if stop not in _STORABLE_STOPS:
        return _REFUSED_STOPS.get(stop, "unfamiliar-stop") if isinstance(stop, str) else "incomplete"
    if not _counts_tokens(body.get("usage")):
        return "no-usage"
    if body.get("container") is not None or body.get("context_management") is not None:
        return "stateful"
    return None


def _counts_tokens(usage: Any) -> bool:
    counts = (usage.get("input_tokens"), usage.get("output_tokens")) if isinstance(usage, dict) else (None,)
    return all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts)


def _unfit_blocks(message: Message) -> str | None:
    content = message.body.get("content")
    if not isinstance(content, list) or len(message.blocks) != len(content):
        return "unfamiliar-block"
    for block in message.blocks:
        if block.get("type") not in _STORABLE_BLOCKS:
            return "tool-use" if "tool" in str(block.get("type")) else "unfamiliar-block"
        if block.get("type") == "text" and not isinstance(block.get("text"), str):
            return "unfamiliar-block"
    return None if message.text.strip() else "empty"


def _unfit_size(message: Message, max_bytes: int) -> str | None:
    try:
        size = len(message.content())
    except RecursionError:
        return "too-large"
    return "too-large" if size > max_bytes else None


def _tells_secret(request: Request, message: Message) -> bool:
    return holds_secret(message.text) or holds_secret(request.content().decode("utf-8", "replace"))


def _too_long(entry: Entry, request: Request) -> str | None:
    """A learned answer says how many tokens it took; a curated one is estimated."""
    limit = request.max_tokens
    tokens = estimate_tokens(entry.message.text) if entry.kind is Kind.FAQ else entry.message.usage.output_tokens
    return "max-tokens" if limit is not None and tokens > limit else None
