"""Audits against the simulated Claude, which knows the sample FAQ and its rewordings and nothing else."""

from __future__ import annotations

import random

from semcache import Hit, SemanticCache, Settings
from semcache.assembly import Brought

MODEL = "claude-haiku-5-5"
ASKED = "How do I calibrate the moisture reading?"
KNOWN, UNKNOWN = "How can I calibrate the moisture reading?", "Hello, how can I calibrate the moisture reading, please?"


def test_a_right_hit_is_confirmed_and_a_wrong_one_corrected() -> None:
    settings = Settings(store="memory:", embedder="hashed", upstream="simulator")
    with SemanticCache(settings, brought=Brought(randomness=random.Random(1))) as cache:

        def ask(question: str) -> tuple[bool, str]:
            answer = cache.ask(question, model=MODEL)
            assert cache.settle(20)
            return isinstance(answer.lookup, Hit), answer.message.text

        _, answer = ask(ASKED)
        assert ask(KNOWN) == ask(UNKNOWN) == (True, answer)
        quality = cache.quality().overall
        assert (quality.since_start.audited, quality.since_start.wrong) == (2, 1)
        assert ask(KNOWN) == (True, answer)
        is_hit, corrected = ask(UNKNOWN)
        assert is_hit
        assert corrected != answer
