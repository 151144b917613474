"""What keeps a request on its model: whatever would change the answer's form, or is not known to be accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from semcache.pricing import Model
from semcache.request import Json
from semcache.strategies.translation_passage import (
    DISPLAYS,
    Passage,
    brings_results,
    forces_a_tool,
    is_prefilled,
    objects,
    section,
    spoken_turns,
)
from semcache.strategies.translation_size import estimated_prompt_tokens

Reasons = Iterator[str]

SIGNED = ("thinking", "redacted_thinking")
# Fields that every model takes, or that are translated. Of the others nobody has written down which models do.
_TRAVELLING = frozenset(
    {
        "model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "output_config",
        "stop_sequences", "stream", "metadata", "cache_control", "service_tier", "inference_geo", "diagnostics",
        "speed", "temperature", "top_p", "top_k",
    }
)  # fmt: skip
_TRAVELLING_INSIDE = {
    "output_config": frozenset({"effort", "format"}),
    "thinking": frozenset({"type", "budget_tokens", "display", "block_binding"}),
}
_TRAVELLING_BLOCKS = ("text", "image", "document", "search_result", *SIGNED, "tool_use", "tool_result")
_SAFE_WORD = re.compile(r"[a-z][a-z0-9_]{0,47}")


def bounds(passage: Passage) -> Reasons:
    """Why the request cannot go to the target; nothing where it can."""
    yield from _model_reasons(passage)
    yield from _form_reasons(passage)
    if passage.changes_model:
        yield from _field_reasons(passage.request.body)
        yield from _tool_reasons(passage.request.body)
        yield from _block_reasons(passage.request.messages)
        yield from _thinking_reasons(passage)
        yield from _size_reasons(passage)


def _model_reasons(passage: Passage) -> Reasons:
    target, body = passage.target, passage.request.body
    if not target.answers_on(passage.on):
        yield f"{target.id} no longer answers"
    if body.get("inference_geo") is not None and target.us_inference_multiplier is None:
        yield f"{target.id} does not take inference_geo"


def _form_reasons(passage: Passage) -> Reasons:
    """Forced tools and prefills decide what the answer looks like: they are never dropped."""
    target = passage.target
    if forces_a_tool(passage.request.body) and not target.forced_tool_choice:
        yield f"{target.id} cannot be forced to use a tool"
    if is_prefilled(passage.request) and not target.prefill:
        yield f"{target.id} takes no prefilled answer"
    if passage.changes_model and passage.request.max_tokens == 0:
        yield "max_tokens 0 warms the prompt cache of the model it names"


def _field_reasons(body: Json) -> Reasons:
    for name, value in body.items():
        if name not in _TRAVELLING and value is not None:
            yield f"not every model is known to take {_word(name, 'field')}"
    for outer, travelling in _TRAVELLING_INSIDE.items():
        for name, value in section(body, outer).items():
            if name not in travelling and value is not None:
                yield f"not every model is known to take {_word(name, 'field')} in {outer}"
    if section(body, "thinking").get("display") not in (*DISPLAYS, None):
        yield "not every model is known to take this display of thinking"


def _tool_reasons(body: Json) -> Reasons:
    """Claude's own tools, and what depends on them, come in editions for some models."""
    for tool in objects(body.get("tools")):
        if tool.get("type", "custom") not in ("custom", None):
            yield f"not every model is known to take {_word(tool['type'], 'tool')}"
        if tool.get("defer_loading") or tool.get("allowed_callers") not in (None, ["direct"]):
            yield "a tool is for the tools of its model"


def _block_reasons(messages: list[Json]) -> Reasons:
    for turn in messages:
        for block in objects(turn.get("content")):
            nested = objects(block.get("content")) if block.get("type") == "tool_result" else []
            for each in (block, *nested):
                if each.get("type") not in _TRAVELLING_BLOCKS:
                    yield f"not every model is known to take {_word(each.get('type'), 'block')}"


def _thinking_reasons(passage: Passage) -> Reasons:
    """Signed thinking is left behind, but not in the middle of tool use, nor where a turn holds nothing else."""
    for turn in passage.request.messages:
        blocks = objects(turn.get("content"))
        if blocks and all(block.get("type") in SIGNED for block in blocks):
            yield f"a turn holds nothing but thinking signed for {passage.source.id}"
    for turn in _open_tool_use(passage):
        if any(block.get("type") in SIGNED for block in objects(turn.get("content"))):
            yield f"tools are in use, and the thinking behind it is signed for {passage.source.id}"


def _open_tool_use(passage: Passage) -> Iterator[Json]:
    """The assistant's turns since the user last spoke without bringing results; none where tools are not in use."""
    turns = spoken_turns(passage.request)
    if not turns or not brings_results(turns[-1]):
        return
    for turn in reversed(turns):
        if turn.get("role") == "assistant":
            yield turn
        elif not brings_results(turn):
            return


def _size_reasons(passage: Passage) -> Reasons:
    """What fitted a window at least as large fits; else it is estimated, on the safe side."""
    target = passage.target
    if _room(target) >= _room(passage.source):
        return
    raw_tokens = estimated_prompt_tokens(passage.request.body)
    if raw_tokens is None:
        yield f"the size of a document is not known, and {target.id} has the smaller context window"
        return
    answer_tokens = min(passage.request.max_tokens or 0, target.max_output_tokens)
    if raw_tokens * target.tokenizer_factor + answer_tokens > target.context_window:
        yield f"prompt and answer may not fit the context window of {target.id}"


def _room(model: Model) -> float:
    """How much text fits the window, in tokens of one tokenizer."""
    return float(model.context_window / model.tokenizer_factor)


def _word(name: object, kind: str) -> str:
    """The name where it can only be one; a caller's key may hold anything."""
    return f"the {kind} {name}" if isinstance(name, str) and _SAFE_WORD.fullmatch(name) else f"an unknown {kind}"
