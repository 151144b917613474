"""Which system prompts cost most: their size, count, cost and text, kept only where prompt optimisation is allowed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from threading import Lock

from semcache.decision.secrets import holds_secret
from semcache.journal import Journalled, operation
from semcache.pricing import estimate_tokens
from semcache.request import Request
from semcache.strategies.approved_prompts import prompt_hash, system_texts

DOCUMENT = "system-prompts"
MOST_KNOWN, MOST_KEPT = 200, 50  # in memory, and in the store: the costliest
_LEAST_TOKENS = 100
_LONGEST = 100_000  # characters


@dataclass
class SystemPrompt:
    """One text of a system prompt. `cost_usd`: its share of what the prompts it came in have cost."""

    text: str = field(repr=False)
    tokens: int  # by the older tokenizer
    model: str  # that was asked last
    requests: int = 0
    cost_usd: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0

    @property
    def hash(self) -> str:
        return prompt_hash(self.text)


class SystemPrompts(Journalled):
    """Bounded: the cheapest is forgotten first. A text that holds something like a credential is never kept."""

    def __init__(self) -> None:
        self._known: dict[str, SystemPrompt] = {}
        self._lock = Lock()

    def note(self, request: Request, *, model: str, usd_per_prompt_token: float, now: float) -> None:
        """A request was sent that came with these texts."""
        for text in system_texts(request.body):
            if len(text) > _LONGEST or (tokens := estimate_tokens(text)) < _LEAST_TOKENS:
                continue
            name = prompt_hash(text)
            with self._lock:
                known = self._known.get(name)
            if known is None and holds_secret(text):
                continue
            if known is None:
                self._begin(name, SystemPrompt(text, tokens, model, first_at=now))
            self._count(name, model, cost_usd=tokens * usd_per_prompt_token, now=now)

    @operation
    def _begin(self, name: str, prompt: SystemPrompt) -> None:
        with self._lock:
            self._known.setdefault(name, replace(prompt))
            if len(self._known) > MOST_KNOWN:
                del self._known[min(self._known, key=lambda each: (each == name, self._known[each].cost_usd))]

    @operation
    def _count(self, name: str, model: str, *, cost_usd: float, now: float) -> None:
        with self._lock:
            if (seen := self._known.get(name)) is not None:
                seen.requests += 1
                seen.cost_usd += cost_usd
                seen.last_at, seen.model = now, model

    def costliest(self, most: int = MOST_KEPT) -> list[SystemPrompt]:
        with self._lock:
            return sorted(self._known.values(), key=lambda each: (-each.cost_usd, each.hash))[:most]

    def to_bytes(self) -> bytes:
        rows = [asdict(each) for each in self.costliest()]
        return json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass")

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        found = [SystemPrompt(**row) for row in json.loads(content.decode("utf-8", "surrogatepass"))]
        with self._lock:
            self._known = {each.hash: each for each in found}
