"""The library on the hashed embedder, with a pretended Claude behind the strict simulator."""

from __future__ import annotations

import pytest
from optimizing.workshops import Claude

from semcache import SemanticCache, Settings
from semcache.decision.sameness.local import LocalJudge
from semcache.learning.comparing import Comparing
from semcache.optimizing.asking import Asking
from semcache.optimizing.examining import Workshop
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.upstream.simulator import Simulator


@pytest.fixture(scope="session")
def book():
    return PriceBook.load(find_claude_manifest(None))


@pytest.fixture
def claude() -> Claude:
    return Claude()


@pytest.fixture
def cache(tmp_path, clock, book, claude):
    settings = Settings(store="local:", embedder="hashed", data_dir=tmp_path, audits=False)
    with SemanticCache(settings, upstream=Simulator(book, answers=claude, clock=clock), clock=clock) as opened:
        yield opened


@pytest.fixture
def asking(cache) -> Asking:
    def send(call):
        with cache.portal.enter(cache.flights.carry(call)) as message:
            return message

    return Asking(send, cache.parts.assembly.ledger, cache.parts.request(""))


@pytest.fixture
def workshop(cache, asking, book) -> Workshop:
    assembly = cache.parts.assembly
    comparing = Comparing(LocalJudge(assembly.embedder.embed), assembly.ledger, claude_model=None)
    return Workshop(asking, comparing, book.model("claude-sonnet-5-5"), book.model("claude-haiku-5-5"))
