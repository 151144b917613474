"""The models endpoints: the manifest in the shape of the Models API."""

from __future__ import annotations

from datetime import date
from urllib.parse import parse_qs

from semcache.pricing import Disabled, Lifecycle, Model, PriceBook
from semcache.request import Json
from semcache.upstream.simulator.paging import cut_of, page_body
from semcache.upstream.simulator.responses import Problem

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_STAGES = ("active", "deprecated", "retired")
_YES: Json = {"supported": True}


def model_page(book: PriceBook, query: str, *, on: date) -> Json | Problem:
    """A page of models, newest first; retired ones only where asked for."""
    asked = parse_qs(query)
    stages = asked.get("lifecycle[]") or asked.get("lifecycle") or ["active", "deprecated"]
    if wrong := [stage for stage in stages if stage not in _STAGES]:
        return Problem(400, f"lifecycle: Input should be 'active', 'deprecated' or 'retired', not '{wrong[0]}'")
    models = [model for model in book.models if stage_of(model, on) in stages]
    models.sort(key=lambda model: model.released or date.min, reverse=True)
    ids = [model.id for model in models]
    cut = cut_of(ids, query, kind="model")
    if isinstance(cut, Problem):
        return cut
    return page_body(ids, [model_info(model, on=on) for model in models[cut.start : cut.end]], cut)


def model_info(model: Model, *, on: date) -> Json:
    """One model as the Models API describes it. No prices: the API has none."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": _instant(model.released or date(1970, 1, 1)),
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output_tokens,
        "line": model.line,
        "lifecycle": stage_of(model, on),
        "deprecated_at": _instant(model.deprecated_at),
        "retires_at": _instant(model.retires_at),
        "capabilities": _capabilities(model),
    }


def stage_of(model: Model, on: date) -> str:
    """The API's three stages: superseded models count as active."""
    if not model.answers_on(on):
        return "retired"
    return "deprecated" if model.lifecycle is Lifecycle.DEPRECATED else "active"


def _capabilities(model: Model) -> Json:
    levels = model.effort.levels if model.effort is not None else ()
    types: Json = {kind: _is(kind in model.thinking.types) for kind in ("adaptive", "enabled", "between_tools")}
    types["disabled"] = _is(model.thinking.disabled is not Disabled.NO)
    edits = ("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112")
    return {
        "batch": _YES,
        "citations": _YES,
        "code_execution": _YES,
        "context_management": {"supported": True, **{edit: _YES for edit in edits}},
        "effort": {"supported": bool(levels), **{level: _is(level in levels) for level in _EFFORTS}},
        "image_input": _YES,
        "pdf_input": _YES,
        "server_tools": {"supported": True, "code_execution": _YES, "web_search": _YES},
        "structured_outputs": _YES,
        "thinking": {"supported": True, "types": types},
    }


def _is(supported: bool) -> Json:
    return {"supported": supported}


def _instant(day: date | None) -> str | None:
    return None if day is None else f"{day.isoformat()}T00:00:00Z"
