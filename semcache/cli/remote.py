"""Talks to a running service through the official SDK, as any client would."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import anthropic
import click

_SOME_KEY = "semcache-cli"  # a service that passes credentials on to Claude will be told to use another


def sdk_client(url: str) -> anthropic.Anthropic:
    """The SDK pointed at a service, with ANTHROPIC_API_KEY where it is set."""
    import os

    return anthropic.Anthropic(base_url=url, api_key=os.environ.get("ANTHROPIC_API_KEY") or _SOME_KEY, max_retries=0)


def ask_service(
    url: str, question: str, *, client: anthropic.Anthropic | None = None, **options: Any
) -> dict[str, Any]:
    """One question over HTTP; the answer, and what the response headers say about it."""
    headers = {"x-semcache-mode": options.get("mode") or "semantic"}
    if options.get("namespace"):
        headers["x-semcache-namespace"] = options["namespace"]
    system = {"system": options["system"]} if options.get("system") else {}
    began = time.perf_counter()
    try:
        response = (client or sdk_client(url)).messages.with_raw_response.create(
            model=options["model"],
            max_tokens=options["max_tokens"],
            messages=[{"role": "user", "content": question}],
            extra_headers=headers,
            **system,
        )
    except anthropic.APIConnectionError:
        raise click.ClickException(f"nothing answers at {url}; start the service with: make run") from None
    except anthropic.APIStatusError as error:
        raise click.ClickException(f"the service answered {error.status_code}: {error.message}") from None
    latency_ms = (time.perf_counter() - began) * 1000
    text = "".join(block.text for block in response.parse().content if block.type == "text")
    return {"answer": text, **_headers_view(response.headers), "latency_ms": round(latency_ms, 2)}


def _headers_view(headers: Any) -> dict[str, Any]:
    """Outcome, numbers and money, from Cache-Status and the x-semcache headers."""
    status = headers.get("cache-status", "")
    detail = status.rpartition("detail=")[2] if "detail=" in status else ""
    is_hit = "; hit" in status
    outcome = detail if is_hit else "bypass" if "fwd=bypass" in status else "miss"
    return {
        "model": headers.get("x-semcache-model"),
        "outcome": outcome,
        "reason": "" if is_hit else detail,
        "entry": headers.get("x-semcache-entry"),
        "similarity": _number(headers.get("x-semcache-similarity")),
        "confidence": _number(headers.get("x-semcache-confidence")),
        "cost_usd": _dollars(headers.get("x-semcache-cost-usd")),
        "saved_usd": _dollars(headers.get("x-semcache-saved-usd")),
        "upstream": headers.get("x-semcache-upstream"),
    }


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _dollars(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
