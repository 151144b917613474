"""Whether two texts of one slot intent ask for different values: "how do I say hello in French", "… in German"."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from semcache.decision.profile import Profile

RARE_SHARE = 0.03  # a word in more of an intent's texts is a way of asking, not a value
FEW_INTENTS = 12  # and so is a word that more intents use


class SlotValues:
    """Learns from all texts which words are values: rare within their intent, and known to few intents."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        """`texts` are (intent, text)."""
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._sizes = Counter[str]()
        self._intents: dict[str, set[str]] = defaultdict(set)
        for intent, text in texts:
            self._sizes[intent] += 1
            self._counts[intent].update(_content(text))
            for word in _content(text):
                self._intents[word].add(intent)

    def differ(self, intent: str, one: str, other: str) -> bool:
        """Each has a value that the other has not: another answer is wanted."""
        return bool(self._only_in(intent, one, other) and self._only_in(intent, other, one))

    def _only_in(self, intent: str, one: str, other: str) -> set[str]:
        most = RARE_SHARE * self._sizes[intent]
        rare = {word for word in _content(one) - _content(other) if self._counts[intent][word] <= most}
        return {word for word in rare if len(self._intents[word]) <= FEW_INTENTS}


def _content(text: str) -> set[str]:
    return set(Profile.of(text).grammar.content)
