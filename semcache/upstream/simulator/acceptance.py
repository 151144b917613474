"""What one model accepts and another refuses: limits, sampling, prefill, tool choice, thinking, effort, speed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from semcache.pricing import Disabled, Model, Sampling
from semcache.request import Json
from semcache.upstream.simulator.blocks import blocks_of
from semcache.upstream.simulator.shape import EXTRA, SAMPLING, Dialect

Problems = Iterator[str]

_MIN_BUDGET_TOKENS = 1024
_LONG_OUTPUT_BETA = "output-300k-2026-03-24"  # in batches only
_SAMPLING_DEFAULTS = {"temperature": 1, "top_p": 1}
_BEYOND_HIGH = ("xhigh", "max")


@dataclass(frozen=True)
class ThinkingPlan:
    """How a request is thought about, with the model's defaults filled in."""

    type: str  # adaptive, enabled, disabled, between_tools
    budget_tokens: int | None
    display: str
    effort: str | None

    @property
    def is_on(self) -> bool:
        return self.type in ("adaptive", "enabled")


def thinking_plan(body: Json, model: Model) -> ThinkingPlan:
    """What the request's thinking and effort mean on this model; an explicit default equals omission."""
    asked = body.get("thinking")
    if asked is None:
        asked = {"type": "adaptive" if model.thinking.on_by_default else "disabled"}
    display = asked.get("display") or model.thinking.display
    return ThinkingPlan(asked["type"], asked.get("budget_tokens"), display, effort_of(body, model))


def effort_of(body: Json, model: Model) -> str | None:
    """The effort asked for, or the model's default; None on models without."""
    asked = (body.get("output_config") or {}).get("effort")
    if asked is not None:
        return str(asked)
    return None if model.effort is None else model.effort.default


def acceptance_problems(body: Json, model: Model, dialect: Dialect, *, on: date) -> Problems:
    """Why this model refuses a request of the right shape."""
    yield from _beta_problems(body, dialect)
    yield from _limit_problems(body, model, dialect)
    yield from _sampling_problems(body, model)
    yield from _prefill_problems(body, model)
    yield from _tool_choice_problems(body, model)
    yield from _effort_problems(body, model)
    yield from _thinking_problems(body, model)
    yield from _budget_problems(body, dialect)
    if body.get("speed") == "fast" and model.fast_prices_on(on) is None:
        yield f"speed: `fast` is not supported on {model.id}"


def _beta_problems(body: Json, dialect: Dialect) -> Problems:
    """Fields inside GA objects that exist under a beta only."""
    thinking: Json = body.get("thinking") or {}
    if not dialect.betas:
        if "block_binding" in thinking:
            yield f"thinking.{thinking['type']}.block_binding: {EXTRA}"
        if "task_budget" in (body.get("output_config") or {}):
            yield f"output_config.task_budget: {EXTRA}"


def _limit_problems(body: Json, model: Model, dialect: Dialect) -> Problems:
    limit = body.get("max_tokens")
    if limit is None:  # count_tokens
        return
    most = model.max_output_tokens
    if dialect.in_batch and _LONG_OUTPUT_BETA in dialect.betas:
        most = model.max_output_tokens_batch or most
    if limit > most:
        yield f"max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens for {model.id}"
    if limit == 0:
        yield from _prewarm_problems(body)


def _prewarm_problems(body: Json) -> Problems:
    refused = {
        "stream": body.get("stream") is True,
        "thinking": (body.get("thinking") or {}).get("type") == "enabled",
        "output_config.format": (body.get("output_config") or {}).get("format") is not None,
        "tool_choice": _is_forced(body),
    }
    yield from (f"max_tokens: 0 cannot be combined with `{name}`" for name, is_there in refused.items() if is_there)


def _sampling_problems(body: Json, model: Model) -> Problems:
    given = [name for name in SAMPLING if name in body]
    if model.sampling is Sampling.NONE:
        for name in given:
            if body[name] != _SAMPLING_DEFAULTS.get(name):
                yield f"{name}: {EXTRA}"
    elif model.sampling is Sampling.ONE and {"temperature", "top_p"} <= set(given):
        yield f"`temperature` and `top_p` cannot both be specified for {model.id}. Please use only one."


def _prefill_problems(body: Json, model: Model) -> Problems:
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return
    if not model.prefill:
        yield (
            f"This model does not support assistant message prefill. The conversation must end with a user message."
            f" ({model.id})"
        )
    blocks = blocks_of(last["content"])
    if blocks and str(blocks[-1].get("text", "")).rstrip() != blocks[-1].get("text", ""):
        yield "messages: final assistant content cannot end with trailing whitespace"
    if (body.get("thinking") or {}).get("type") == "enabled":
        yield f"messages.{len(body['messages']) - 1}: a prefilled answer cannot be combined with extended thinking"


def _tool_choice_problems(body: Json, model: Model) -> Problems:
    if not _is_forced(body):
        return
    if not model.forced_tool_choice:
        yield f"tool_choice: `{body['tool_choice']['type']}` is not supported on {model.id}; use `auto` or `none`"
    elif (body.get("thinking") or {}).get("type") == "enabled":
        yield "thinking: Thinking may not be enabled when tool_choice forces tool use."


def _effort_problems(body: Json, model: Model) -> Problems:
    asked: Any = (body.get("output_config") or {}).get("effort")
    if asked is None:
        return
    if model.effort is None:
        yield f"output_config.effort: {model.id} does not support the effort parameter"
    elif asked not in model.effort.levels:
        levels = ", ".join(model.effort.levels)
        yield f"output_config.effort: `{asked}` is not supported on {model.id}; use one of {levels}"


def _thinking_problems(body: Json, model: Model) -> Problems:
    asked = (body.get("thinking") or {}).get("type")
    if asked is None:
        return
    if asked != "disabled":
        if asked not in model.thinking.types:
            yield f"thinking.type: `{asked}` is not supported on {model.id}; use one of {_accepted(model)}"
    elif model.thinking.disabled is Disabled.NO:
        yield f"thinking.type: `disabled` is not supported on {model.id}; use one of {_accepted(model)}"
    elif model.thinking.disabled is Disabled.UP_TO_HIGH and effort_of(body, model) in _BEYOND_HIGH:
        yield f"thinking.type: `disabled` is not supported on {model.id} at effort above `high`"


def _accepted(model: Model) -> str:
    return ", ".join(model.thinking.types)


def _budget_problems(body: Json, dialect: Dialect) -> Problems:
    thinking = body.get("thinking") or {}
    if thinking.get("type") != "enabled":
        return
    budget, limit = thinking["budget_tokens"], body.get("max_tokens")
    is_interleaved = any(beta.startswith("interleaved-thinking") for beta in dialect.betas)
    if budget < _MIN_BUDGET_TOKENS:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MIN_BUDGET_TOKENS}"
    if limit is not None and budget >= limit and not is_interleaved:
        yield "max_tokens: `max_tokens` must be greater than `thinking.budget_tokens`."
    if body.get("temperature", 1) != 1:
        yield "temperature: `temperature` may only be set to 1 when thinking is enabled."
    if "top_k" in body:
        yield "top_k: `top_k` must be unset when thinking is enabled."


def _is_forced(body: Json) -> bool:
    return (body.get("tool_choice") or {}).get("type") in ("any", "tool")
