"""The plain fields of a request in another model's terms: name, length, sampling, speed, and thinking of the past."""

from __future__ import annotations

from semcache.pricing import Sampling
from semcache.request import Headers, Json
from semcache.strategies.translation_bounds import SIGNED
from semcache.strategies.translation_passage import Draft, Passage, objects, section

_WITHOUT_SAMPLING = "2026-10-21"  # the edition of the API in which no model takes it: a caller's own mistake there
_SAMPLING_DEFAULTS = {"temperature": 1, "top_p": 1, "top_k": None}
_FAST_BETA = "fast-mode-"


def name_model(passage: Passage, draft: Draft) -> None:
    target = passage.target
    if passage.request.model not in (target.id, *target.aliases):
        draft.put("model", target.id, f"model: {target.id}")


def drop_signed_thinking(passage: Passage, draft: Draft) -> None:
    """What another model has thought is signed for that model, and cannot be read by this one."""
    if not passage.changes_model:
        return
    messages = [_without_signed(turn) for turn in passage.request.messages]
    if messages != passage.request.messages:
        draft.put("messages", messages, f"messages: without thinking signed for {passage.source.id}")


def _without_signed(turn: Json) -> Json:
    if not any(block.get("type") in SIGNED for block in objects(turn.get("content"))):
        return turn
    kept = [block for block in turn["content"] if not (isinstance(block, dict) and block.get("type") in SIGNED)]
    return {**turn, "content": kept}


def cap_max_tokens(passage: Passage, draft: Draft) -> None:
    limit, target = passage.request.max_tokens, passage.target
    if limit is not None and limit > target.max_output_tokens:
        draft.put("max_tokens", target.max_output_tokens, f"max_tokens: {target.max_output_tokens}, the most there is")


def drop_sampling(passage: Passage, draft: Draft) -> None:
    """Sampling varies the wording, not the form of the answer: where it is refused it goes."""
    if passage.request.version == _WITHOUT_SAMPLING:
        return
    target = passage.target
    now, before = (section(body, "thinking").get("type") for body in (draft.body, passage.request.body))
    refused = []
    if target.sampling is Sampling.NONE or (now == "enabled" != before):
        refused = [name for name in _SAMPLING_DEFAULTS if _says_something(draft.body, name)]
    both = {"temperature", "top_p"}
    if target.sampling is Sampling.ONE and both <= draft.body.keys() and not both & set(refused):
        refused.append("top_p" if _says_something(draft.body, "temperature") else "temperature")
    for name in refused:
        draft.drop(name, f"{name}: dropped, {target.id} does not take it here")


def _says_something(body: Json, name: str) -> bool:
    return name in body and body[name] != _SAMPLING_DEFAULTS[name]


def drop_speed(passage: Passage, draft: Draft) -> None:
    """Without fast mode the answer is the same, later and for less."""
    if passage.target.fast_prices_on(passage.on) is not None:
        return
    if draft.body.get("speed") == "fast":
        draft.drop("speed", f"speed: standard, {passage.target.id} has no fast mode")
    draft.headers = _without_fast_beta(draft.headers)


def _without_fast_beta(headers: Headers) -> Headers:
    kept = []
    for name, value in headers:
        if name == "anthropic-beta" and _FAST_BETA in value:
            betas = [beta.strip() for beta in value.split(",")]
            value = ",".join(beta for beta in betas if not beta.startswith(_FAST_BETA))
            if not value:
                continue
        kept.append((name, value))
    return tuple(kept)
