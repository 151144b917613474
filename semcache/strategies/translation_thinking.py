"""Thinking and effort in another model's terms: the nearest that it takes, and never more than was asked for."""

from __future__ import annotations

from semcache.pricing import Disabled, Model, Preserved
from semcache.request import Json
from semcache.strategies.translation_passage import (
    DISPLAYS,
    Draft,
    Passage,
    Untranslatable,
    brings_results,
    forces_a_tool,
    is_prefilled,
    may_use_tools,
    section,
    spoken_turns,
)

LEVELS = ("low", "medium", "high", "xhigh", "max")
MIN_BUDGET_TOKENS = 1024
# One part in so many of max_tokens for thinking, where effort has to become a budget: half is left for the answer.
_BUDGET_PARTS = {"low": 8, "medium": 4}
_FULL_BUDGET_PARTS = 2
_DISPLAYED = ("adaptive", "enabled")


def set_thinking(passage: Passage, draft: Draft) -> Untranslatable | None:
    asked = draft.body.get("thinking")
    meant = _implied(passage, draft) if asked is None else _said(passage, draft, asked)
    if isinstance(meant, Untranslatable):
        return meant
    if meant is not None:
        _put(passage, draft, meant)
    return None


def _implied(passage: Passage, draft: Draft) -> Json | Untranslatable | None:
    """Nobody spoke of thinking: the source's default goes on where the target can be brought to it."""
    source, target = passage.source.thinking, passage.target.thinking
    if source.on_by_default == target.on_by_default:
        return None
    if source.on_by_default:
        if "adaptive" in target.types and not forces_a_tool(draft.body):
            return {"type": "adaptive"}
        draft.changes.append(f"thinking: off, as {passage.target.id} does unless asked")
        return None
    if kind := next((kind for kind in ("disabled", "between_tools") if _accepts(passage.target, kind)), None):
        return {"type": kind}
    limit = passage.request.max_tokens
    if limit is not None and limit < MIN_BUDGET_TOKENS:  # the answer would be cut off before it began
        return Untranslatable(f"{passage.target.id} always thinks, and max_tokens leaves no room for it")
    draft.changes.append(f"thinking: on, {passage.target.id} always thinks")
    return None


def _said(passage: Passage, draft: Draft, asked: object) -> Json | Untranslatable | None:
    """The nearest to what was asked for; None where that is no kind of thinking, the caller's own mistake."""
    if not isinstance(asked, dict):
        return None
    kind = asked.get("type")
    if _accepts(passage.target, kind):
        return _kept(passage, draft, asked)
    match kind:
        case "adaptive":
            return _budgeted(passage, draft, asked)
        case "enabled" if "adaptive" in passage.target.thinking.types:
            return {**{name: value for name, value in asked.items() if name != "budget_tokens"}, "type": "adaptive"}
        case "disabled" | "between_tools":
            return _silenced(passage, draft, asked)
        case _:
            return None


def _kept(passage: Passage, draft: Draft, asked: Json) -> Json:
    budget = asked.get("budget_tokens")
    if asked["type"] == "enabled" and isinstance(budget, int):
        return {**asked, "budget_tokens": _fitted(budget, passage, draft)}
    return asked


def _fitted(budget_tokens: int, passage: Passage, draft: Draft) -> int:
    """The budget under a lower max_tokens: the answer keeps its room, or half of what there is."""
    before, now = passage.request.max_tokens, draft.body.get("max_tokens")
    if before is None or not isinstance(now, int):
        return budget_tokens
    if budget_tokens >= before:  # interleaved: it spans several answers, but not more than the target can hold
        return min(budget_tokens, passage.target.max_output_tokens) if passage.changes_model else budget_tokens
    if now >= before:
        return budget_tokens
    room = min(before - budget_tokens, now // 2)
    return min(budget_tokens, now - room)


def _budgeted(passage: Passage, draft: Draft, asked: Json) -> Json | Untranslatable:
    """Free thinking for a model that thinks by budget only."""
    if (reason := _unthinkable(passage)) is not None:
        return Untranslatable(f"{passage.target.id} {reason}")
    limit = draft.body.get("max_tokens", 2 * MIN_BUDGET_TOKENS)
    if not isinstance(limit, int) or limit < 2 * MIN_BUDGET_TOKENS:
        return Untranslatable(f"max_tokens leaves no room for the thinking budget that {passage.target.id} needs")
    parts = _BUDGET_PARTS.get(wanted_effort(passage) or "", _FULL_BUDGET_PARTS)
    return {**asked, "type": "enabled", "budget_tokens": max(MIN_BUDGET_TOKENS, limit // parts)}


def _unthinkable(passage: Passage) -> str | None:
    """Why the target does not think by budget here."""
    turns = spoken_turns(passage.request)
    if "enabled" not in passage.target.thinking.types:
        return "does not take adaptive thinking"
    if forces_a_tool(passage.request.body):
        return "does not think where a tool is forced"
    if is_prefilled(passage.request):
        return "does not think where the answer is prefilled"
    return "cannot begin to think while tools are in use" if turns and brings_results(turns[-1]) else None


def _silenced(passage: Passage, draft: Draft, asked: Json) -> Json | Untranslatable:
    """`disabled` and `between_tools` are one where there are no tools to think between."""
    kind = asked["type"]
    other = "between_tools" if kind == "disabled" else "disabled"
    if may_use_tools(draft.body) or not _accepts(passage.target, other):
        return Untranslatable(f"{passage.target.id} has nothing that equals thinking `{kind}` here")
    return {"type": other}


def _put(passage: Passage, draft: Draft, thinking: Json) -> None:
    """Set it where it says something new, shown as the source would, and unbound where nothing is bound."""
    thinking = dict(thinking)
    source, target = passage.source, passage.target
    if thinking["type"] not in _DISPLAYED:
        thinking.pop("display", None)
    elif thinking.get("display") is None and source.thinking.display != target.thinking.display:
        thinking["display"] = source.thinking.display
    if target.preserved_thinking is Preserved.NEVER and passage.changes_model:
        thinking.pop("block_binding", None)
    if thinking != draft.body.get("thinking"):
        draft.put("thinking", thinking, _told(thinking))


def _told(thinking: Json) -> str:
    """Only what can be nothing else than it should: a caller's value may hold anything."""
    words = ["thinking:", thinking["type"]]
    if isinstance(budget := thinking.get("budget_tokens"), int):
        words += ["budget_tokens", str(budget)]
    if thinking.get("display") in DISPLAYS:
        words += ["display", thinking["display"]]
    return " ".join(words)


def _accepts(target: Model, kind: object) -> bool:
    return kind in target.thinking.types or (kind == "disabled" and target.thinking.disabled is not Disabled.NO)


def wanted_effort(passage: Passage) -> str | None:
    """The router's, else the caller's, else what leaving it out means on the source."""
    asked = passage.effort or section(passage.request.body, "output_config").get("effort")
    if isinstance(asked, str):
        return asked
    return None if passage.source.effort is None else passage.source.effort.default


def set_effort(passage: Passage, draft: Draft) -> None:
    """After thinking: without it, some models take no effort above high."""
    effort, wanted = passage.target.effort, wanted_effort(passage)
    asked = section(draft.body, "output_config").get("effort")
    if effort is None:
        if asked is not None:
            _put_effort(passage, draft, None)
        return
    if wanted not in LEVELS:
        return
    level = _nearest(wanted, _open_levels(passage.target, draft.body))
    if asked is not None or passage.effort is not None:
        is_new = level != (asked or effort.default)
    else:
        is_new = LEVELS.index(level) < LEVELS.index(effort.default)
    if is_new:
        _put_effort(passage, draft, level)


def _put_effort(passage: Passage, draft: Draft, level: str | None) -> None:
    told = f"effort: {level}" if level is not None else f"effort: dropped, {passage.target.id} has none"
    config = {name: value for name, value in section(draft.body, "output_config").items() if name != "effort"}
    if level is not None:
        config["effort"] = level
    if config:
        draft.put("output_config", config, told)
    else:
        draft.drop("output_config", told)


def _open_levels(target: Model, body: Json) -> tuple[str, ...]:
    """The target's levels, weakest first, without those that this kind of thinking closes."""
    levels = () if target.effort is None else target.effort.levels
    if section(body, "thinking").get("type") == "disabled" and target.thinking.disabled is Disabled.UP_TO_HIGH:
        return tuple(level for level in levels if LEVELS.index(level) <= LEVELS.index("high"))
    return levels


def _nearest(wanted: str, levels: tuple[str, ...]) -> str:
    """The strongest that is not above what is wanted, else the weakest there is."""
    below = [level for level in levels if LEVELS.index(level) <= LEVELS.index(wanted)]
    return below[-1] if below else levels[0]
