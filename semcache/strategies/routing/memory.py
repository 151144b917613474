"""What routing remembers of its own deeds: evidence, conversations, and the health of models."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from semcache.errors import StoreError
from semcache.learning.routes import RouteBook
from semcache.stores.store import Store
from semcache.strategies.routing.conversations import Conversations
from semcache.strategies.routing.health import Health

logger = logging.getLogger(__name__)

_CONVERSATIONS = "routing-conversations"


@dataclass(frozen=True)
class Memory:
    """Shared by the choice and the step. A store that fails costs what was to be kept, and nothing else."""

    store: Store
    book: RouteBook
    conversations: Conversations
    health: Health

    def restore(self) -> None:
        """Take up the conversations where the last process left them."""
        try:
            kept = self.store.load_document(_CONVERSATIONS)
            if kept is not None:
                self.conversations.restore(kept)
        except StoreError as error:
            logger.warning("conversations could not be read: %s", type(error).__name__)
        except (ValueError, TypeError) as error:
            logger.warning("conversations are not readable, so they are routed anew: %s", type(error).__name__)

    def save(self) -> None:
        """Keep what was learned, and where conversations are."""
        self.book.save()
        try:
            self.store.save_document(_CONVERSATIONS, self.conversations.to_bytes())
        except StoreError as error:
            logger.warning("conversations could not be kept: %s", type(error).__name__)
