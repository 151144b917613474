"""What a rehearsal has shown, as JSON: the bill, the strategies' shares, hits, and how many of them were wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from semcache.learning.quality import wilson
from semcache.request import Json
from semcache.savings_view import money_text, savings_view
from semcache.traffic.rehearsing import Rehearsed, Tally
from semcache.traffic.variants import AS_SET, UNASSISTED


@dataclass(frozen=True)
class ReplayReport:
    """One rehearsal with the settings as they are, and the ablations by name."""

    traffic: str
    main: Rehearsed
    ablations: Mapping[str, Rehearsed]
    assumed_output_tokens: int
    seconds: float

    def view(self) -> Json:
        tally = self.main.tally
        return {
            "traffic": self.traffic,
            "requests": tally.requests,
            "failed": {str(reason): count for reason, count in tally.failed.most_common()},
            "hits": _hits(tally),
            "savings": savings_view(self.main.savings),
            "ablations": [_ablation(name, self.main, found) for name, found in self.ablations.items()],
            "assumptions": self._assumptions(),
            "seconds": round(self.seconds, 1),
        }

    def _assumptions(self) -> list[str]:
        said = [
            "Claude answered every request as recorded, whichever model it was sent to: what a cheaper one would have "
            "said, a recording cannot know.",
            f"Where no answer is recorded, it has {self.assumed_output_tokens} tokens, and no similar hit is judged.",
            "Tokens are the simulator's count, prices those of models/claude.toml on the day of each request.",
        ]
        if self.main.tally.judged < self.main.tally.similar:
            unjudged = self.main.tally.similar - self.main.tally.judged
            said.append(f"{unjudged} similar hits could not be judged, and say nothing about the false-hit rate.")
        return said


def _hits(tally: Tally) -> Json:
    """Rates with 95 % intervals (Wilson); null where nothing was judged."""
    known = {kind: tally.outcomes[kind] for kind in ("exact", "semantic", "faq", "miss", "batch")}
    hits = known["exact"] + known["semantic"] + known["faq"]
    rates: Json = {"rate": None, "rate_interval": None, "false_rate": None, "false_rate_interval": None}
    if tally.requests:
        rates |= {"rate": hits / tally.requests, "rate_interval": wilson(hits, tally.requests)}
    if tally.judged:
        rates |= {"false_rate": tally.wrong / tally.judged, "false_rate_interval": wilson(tally.wrong, tally.judged)}
    return {**known, "similar": tally.similar, "judged": tally.judged, "wrong": tally.wrong, **rates}


def _ablation(name: str, main: Rehearsed, found: Rehearsed) -> Json:
    """What it would have cost so; `more_usd`: beyond the settings as they are."""
    return {
        "name": name,
        "cost_usd": money_text(found.savings.total.cost_usd),
        "more_usd": money_text(found.savings.total.cost_usd - main.savings.total.cost_usd),
        "saved_share": found.savings.saved_share,
        "hits": sum(found.tally.outcomes[kind] for kind in ("exact", "semantic", "faq")),
    }


__all__ = ["AS_SET", "UNASSISTED", "ReplayReport"]
