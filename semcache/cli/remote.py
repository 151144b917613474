"""Talks to a running service through the official SDK, as any client would."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from semcache.cli.http import NOBODY_THERE, told

if TYPE_CHECKING:
    import anthropic

_SOME_KEY = "semcache-cli"  # a service that passes credentials on to Claude will be told to use another


def sdk_client(url: str) -> anthropic.Anthropic:
    """The SDK pointed at a service, with ANTHROPIC_API_KEY where it is set. Close it, or its sockets stay open."""
    import anthropic

    return anthropic.Anthropic(base_url=url, api_key=os.environ.get("ANTHROPIC_API_KEY") or _SOME_KEY, max_retries=0)


def ask_service(  # noqa: PLR0913 - the fields of a request and of its headers
    client: anthropic.Anthropic,
    question: str,
    *,
    model: str,
    max_tokens: int,
    system: str | None = None,
    mode: str = "semantic",
    namespace: str | None = None,
    tags: Sequence[str] = (),
    task: str = "",
    strategies: str | None = None,
) -> dict[str, Any]:
    """One question over HTTP; the answer, and what the response headers say about it."""
    import anthropic

    named = {
        "x-semcache-mode": mode,
        "x-semcache-namespace": namespace,
        "x-semcache-tags": ",".join(tags),
        "x-semcache-task": task,
        "x-semcache-strategies": strategies,
    }
    url = str(client.base_url).rstrip("/")
    began = time.perf_counter()
    try:
        response = client.messages.with_raw_response.create(
            model=model,
            max_tokens=max_tokens,
            messages=[{"role": "user", "content": question}],
            system=anthropic.omit if system is None else system,
            extra_headers={name: value for name, value in named.items() if value},
        )
    except anthropic.APIConnectionError:
        raise click.ClickException(NOBODY_THERE.format(url=url)) from None
    except anthropic.APIStatusError as error:
        raise click.ClickException(f"{url} answered {error.status_code}: {told(error.body)}") from None
    latency_ms = (time.perf_counter() - began) * 1000
    message = response.parse()
    text = "".join(block.text for block in message.content if block.type == "text")
    return _view(response.headers, answer=text, model=message.model, latency_ms=latency_ms)


def _view(headers: Mapping[str, str], *, answer: str, model: str, latency_ms: float) -> dict[str, Any]:
    """The keys of `views.answer_view`, from Cache-Status (RFC 9211) and the x-semcache headers."""
    status = headers.get("cache-status", "")
    words = [word.strip() for word in status.split(";")]
    detail = next((word.removeprefix("detail=").strip('"') for word in words if word.startswith("detail=")), None)
    is_hit = "hit" in words
    entry = headers.get("x-semcache-entry")
    return {
        "answer": answer,
        "model": headers.get("x-semcache-model", model),
        "outcome": detail if is_hit else "bypass" if "fwd=bypass" in words else "miss",
        "reason": None if is_hit else detail,
        "entry": entry if is_hit else None,
        "stored": entry if "stored" in words else None,
        "similarity": _number(headers.get("x-semcache-similarity")),
        "confidence": _number(headers.get("x-semcache-confidence")),
        "route": headers.get("x-semcache-route"),
        "cost_usd": _dollars(headers.get("x-semcache-cost-usd")),
        "saved_usd": _dollars(headers.get("x-semcache-saved-usd")),
        "latency_ms": round(latency_ms, 2),
        "upstream": headers.get("x-semcache-upstream"),
    }


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _dollars(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
