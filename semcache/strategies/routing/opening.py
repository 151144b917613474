"""Opens what is known of routing before any request: the table, and the judges of complexity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from semcache.decision.routing.router import ANY_EMBEDDER, Router, find_router
from semcache.policy import RoutingPolicy
from semcache.pricing import PriceBook
from semcache.strategies.routing.opinions import Judges
from semcache.strategies.routing.table import RoutingTable, find_routing_table, load_routing_table


@dataclass(frozen=True)
class Routes:
    """Where misses may go, and who judges them."""

    table: RoutingTable
    judges: Judges


def open_routes(policy: RoutingPolicy, prices: PriceBook, *, embedder: str, models_dir: Path) -> Routes:
    """`embedder` is the manifest's name of the embedding model. Raises `ManifestError`, `SettingsError`."""
    table = load_routing_table(find_routing_table(models_dir), prices, policy)
    file = find_router(models_dir)
    judges = Judges(Router.load(file, embedder=embedder), Router.load(file, embedder=ANY_EMBEDDER))
    return Routes(table, judges)
