"""Models of the manifest, and the strict simulator's word on a request."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from semcache.pricing import PriceBook
from semcache.upstream.simulator.conduct import Conduct
from semcache.upstream.simulator.gate import Visitor
from semcache.upstream.simulator.messages import accepted
from semcache.upstream.simulator.responses import Problem
from semcache.upstream.simulator.shape import Dialect
from semcache.upstream.simulator.thinking import account_of

TODAY = date(2026, 11, 23)


@pytest.fixture(scope="session")
def book():
    return PriceBook.load(Path(__file__).parents[2] / "models" / "claude.toml")


@pytest.fixture(scope="session")
def refusal(book):
    """Why the simulator refuses a request; None where it takes it."""
    conduct, account = Conduct(), account_of("a key")

    def ask(request):
        dialect = Dialect(request.version, frozenset(request.betas))
        outcome = accepted(Visitor(account, dialect, request.body), book, conduct, on=TODAY, counting=False)
        return f"{outcome.status} {outcome.message}" if isinstance(outcome, Problem) else None

    return ask
