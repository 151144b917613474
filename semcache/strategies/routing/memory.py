"""What routing remembers of its own deeds: evidence, conversations, and the health of models."""

from __future__ import annotations

from dataclasses import dataclass

from semcache.learning.routes import RouteBook
from semcache.strategies.routing.conversations import Conversations
from semcache.strategies.routing.health import Health


@dataclass(frozen=True)
class Memory:
    """Shared by the choice and the step."""

    book: RouteBook
    conversations: Conversations
    health: Health
