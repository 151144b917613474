"""From an accepted request to a message: the voice, the prompt cache and the price of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

from semcache.message import Usage
from semcache.pricing import PriceBook
from semcache.request import Json
from semcache.upstream.simulator.answers import Answers, Reply, Voice
from semcache.upstream.simulator.conduct import Conduct
from semcache.upstream.simulator.delivery import Spoken
from semcache.upstream.simulator.messages import Asked, message_of
from semcache.upstream.simulator.prompt_cache import Held, PromptCache, Reckoning


class Speaker:
    """Answers in real time and in batches out of one prompt cache. Safe to share between threads."""

    def __init__(self, prices: PriceBook, answers: Answers | None, conduct: Conduct) -> None:
        self._prices = prices
        self._voice = Voice(answers)
        self._conduct = conduct
        self._cache = PromptCache()
        self._lock = threading.Lock()

    def say(self, asked: Asked, now: float, *, in_batch: bool = False, is_cold: bool = False) -> Spoken:
        """The message and its cost; `is_cold` finds nothing in the prompt cache, and writes all the same."""
        reply = Reply(()) if asked.body["max_tokens"] == 0 else self._voice.reply(asked.body)
        with self._lock:
            cache = PromptCache() if is_cold else self._cache
            minimum = asked.model.min_cacheable_tokens
            reckoning = cache.reckon(asked.prompt, asked.cache_scope, minimum_tokens=minimum, now=now)
        tier = "batch" if in_batch else "standard"
        message = message_of(asked, reply, reckoning.usage, self._conduct, tier=tier)
        usage = Usage.of(message["usage"])
        cost_usd = self._cost_usd(asked.body, message, usage, day_of(now), in_batch)
        return Spoken(message, usage, cost_usd, reckoning, is_stream=asked.body.get("stream") is True)

    def commit(self, reckoning: Reckoning) -> None:
        """The message has begun: what it wrote can now be read."""
        with self._lock:
            self._cache.commit(reckoning)

    def held_prompts(self) -> list[Held]:
        with self._lock:
            return self._cache.held()

    def hold_prompts(self, held: Iterable[Held]) -> None:
        with self._lock:
            self._cache.hold(held)

    def _cost_usd(self, body: Json, message: Json, usage: Usage, on: date, in_batch: bool) -> Decimal:
        """A refusal before any output is not billed, though its usage is filled in."""
        if message["stop_reason"] == "refusal" and not message["content"]:
            return Decimal(0)
        return self._prices.cost_usd(
            message["model"],
            usage,
            on=on,
            batch=in_batch,
            fast=body.get("speed") == "fast",
            us_inference=body.get("inference_geo") == "us",
        ) or Decimal(0)


def day_of(now: float) -> date:
    """The day on which prices and retirements are looked up."""
    return datetime.fromtimestamp(now, UTC).date()
