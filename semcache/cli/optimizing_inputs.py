"""What `semcache optimize` works on and with: the prompts, the requests, and who is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from semcache.cli.optimizing_calls import Calls
    from semcache.client import SemanticCache
    from semcache.optimizing.examining import Prompt, Workshop
    from semcache.pricing import Model, PriceBook


def workshop_of(cache: SemanticCache, options: dict[str, Any], calls: Calls) -> Workshop:
    """Raises `click.UsageError` where nobody can be asked."""
    from semcache.client import DEFAULT_MODEL
    from semcache.decision.sameness.local import LocalJudge
    from semcache.learning.comparing import Comparing
    from semcache.optimizing.asking import Asking
    from semcache.optimizing.examining import Workshop

    assembly, settings = cache.parts.assembly, cache.parts.settings
    proposer = _model("--model", options["model"] or settings.judge_model or DEFAULT_MODEL, assembly.prices)
    target = _model("--target", options["target"], assembly.prices)
    if cache.parts.upstream.name == "simulator":
        click.secho("Answers come from the simulator, not from Claude: they show the way, not a result.", err=True)
    elif settings.upstream == "claude" and not settings.anthropic_api_key:
        raise click.UsageError("optimize asks Claude: set ANTHROPIC_API_KEY, or try it with --upstream simulator")

    return Workshop(
        Asking(calls.send, assembly.ledger, cache.parts.request(""), calls.later),
        Comparing(LocalJudge(assembly.embedder.embed), assembly.ledger, claude_model=settings.judge_model),
        proposer,
        target,
        options["versions"],
        options["review"],
        on_progress=lambda what: None if calls.is_quiet else click.secho(f"{what} …", dim=True, err=True),
    )


def _model(option: str, name: str, prices: PriceBook) -> Model:
    model = prices.model(name)
    if model is None:
        near = prices.suggestion(name)
        raise click.UsageError(f"{option}: {name!r} is no Claude model" + (f"; did you mean {near}?" if near else ""))
    return model


def prompts_of(
    cache: SemanticCache, file: Path | None, costliest: int | None, options: dict[str, Any], workshop: Workshop
) -> list[Prompt]:
    """Each with the requests that it may be tried on. Raises `InvalidRequest` where there is nothing to work on."""
    from semcache.errors import InvalidRequest
    from semcache.optimizing import costliest as seen
    from semcache.optimizing.examining import Prompt

    store, today = cache.parts.assembly.store, datetime.fromtimestamp(cache.parts.assembly.cache.now(), UTC).date()
    if file is not None:
        prompts = [Prompt(_text_of(file))]
    else:
        prompts = [
            Prompt(each.text, volume=seen.observed_volume(each)) for each in seen.costliest(store, costliest or 1)
        ]
        if not prompts:
            raise InvalidRequest(
                "no system prompt was seen yet: they are kept where prompt_optimisation is among the strategies"
            )
    requests = _requests(options["requests"], options["most_requests"])
    per_month, target = options["requests_per_month"], workshop.target
    if per_month is not None and target is not None:
        volume = seen.stated_volume(per_month, target, today)
        prompts = [Prompt(prompt.text, volume=volume) for prompt in prompts]
    elif file is not None:
        prompts = [Prompt(prompt.text, volume=seen.volume_of(store, prompt.text)) for prompt in prompts]
    tried = [prompt.tried_on(requests) for prompt in prompts]
    if requests and not any(prompt.requests for prompt in tried):
        click.secho(f"None of the {len(requests)} requests came with this system prompt, or with none.", err=True)
    return tried


def _text_of(file: Path) -> str:
    from semcache.errors import InvalidRequest

    try:
        text = file.read_text("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise InvalidRequest(f"{file}: not UTF-8; save it as UTF-8") from None
    if not text:
        raise InvalidRequest(f"{file}: there is nothing in it")
    return text


def _requests(path: Path | None, most: int) -> list[dict[str, Any]]:
    from semcache.errors import InvalidRequest
    from semcache.traffic.recorded import read_traffic

    if path is None:
        return []
    defaults = {"max_tokens": 1024}
    found = [each.params for _, each in zip(range(most), read_traffic(path, defaults), strict=False)]
    if not found:
        raise InvalidRequest(f"{path}: there are no requests in it")
    return found
