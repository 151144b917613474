"""The Messages endpoint: from a visitor's body to a checked request, and from a reply to a message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from semcache.message import Usage
from semcache.pricing import Model, PriceBook
from semcache.request import Json
from semcache.upstream.simulator.acceptance import ThinkingPlan, acceptance_problems, thinking_plan
from semcache.upstream.simulator.answers import Reply
from semcache.upstream.simulator.blocks import canonical
from semcache.upstream.simulator.composing import Limits, Signer, compose, usage_body
from semcache.upstream.simulator.conduct import Conduct
from semcache.upstream.simulator.gate import Visitor
from semcache.upstream.simulator.marks import mark_problems
from semcache.upstream.simulator.prompt import Prompt, prompt_of
from semcache.upstream.simulator.responses import Problem
from semcache.upstream.simulator.shape import count_problems, message_problems
from semcache.upstream.simulator.thinking import (
    Readers,
    drops_mismatches,
    signature_for,
    unreadable_thinking,
    without,
)
from semcache.upstream.simulator.turns import turn_problems


@dataclass(frozen=True)
class Asked:
    """A request that Claude accepts. `body` is what the caller sent; `prompt` is what the model reads."""

    body: Json = field(repr=False)
    model: Model
    prompt: Prompt = field(repr=False)
    plan: ThinkingPlan
    readers: Readers

    @property
    def cache_scope(self) -> bytes:
        """What a cached prefix is never shared across, besides its content."""
        plan = self.plan
        return canonical([self.readers.account.hex(), self.model.id, plan.type, plan.budget_tokens, plan.effort])


def accepted(visitor: Visitor, book: PriceBook, conduct: Conduct, *, on: date, counting: bool) -> Asked | Problem:
    """Check a body as strictly as Claude does; `counting` is for count_tokens, which takes fewer fields."""
    body, dialect = visitor.body, visitor.dialect
    check_shape = count_problems if counting else message_problems
    if problem := next(check_shape(body, dialect), None):
        return Problem(400, problem)
    model = book.model(body["model"])
    if model is None or not model.answers_on(on):
        return Problem(404, f"model: {body['model'][:100]}")
    if problem := next(_rule_problems(body, model, visitor, on), None):
        return Problem(400, problem)
    readers = Readers(model, visitor.account, conduct.is_old_account, drops_mismatches(body, dialect.betas))
    unreadable = unreadable_thinking(body, readers) if conduct.checks_thinking else []
    if refused := [each.problem for each in unreadable if each.problem is not None]:
        return Problem(400, refused[0])
    prompt = prompt_of(without(body, unreadable), model)
    if prompt.tokens > model.context_window:
        return Problem(400, f"prompt is too long: {prompt.tokens} tokens > {model.context_window} maximum")
    return Asked(body, model, prompt, thinking_plan(body, model), readers)


def message_of(asked: Asked, reply: Reply, input_side: Usage, conduct: Conduct, *, tier: str = "standard") -> Json:
    """Claude's response object for this reply."""
    body = asked.body
    plan = asked.plan if not _is_forced(body) else ThinkingPlan("disabled", None, asked.plan.display, None)
    signer = Signer(signature_for(body, asked.readers), conduct.new_id)
    limits = Limits.of(body, asked.model, asked.prompt.tokens)
    composed = compose(reply, plan, limits, model=asked.model, signer=signer)
    usage = usage_body(input_side, composed, speed=body.get("speed") or "standard", geo=body.get("inference_geo"))
    return {
        "id": conduct.new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": reply.model or asked.model.id,
        "content": list(composed.content),
        "stop_reason": composed.stop_reason,
        "stop_sequence": composed.stop_sequence,
        "stop_details": reply.stop_details,
        "container": None,
        "usage": {**usage, "service_tier": tier, **(reply.usage or {})},
        "diagnostics": {"cache_miss_reason": {"type": "unavailable"}} if body.get("diagnostics") else None,
    }


def _rule_problems(body: Json, model: Model, visitor: Visitor, on: date) -> Iterator[str]:
    yield from turn_problems(body)
    yield from mark_problems(body)
    yield from acceptance_problems(body, model, visitor.dialect, on=on)


def _is_forced(body: Json) -> bool:
    return (body.get("tool_choice") or {}).get("type") in ("any", "tool")
