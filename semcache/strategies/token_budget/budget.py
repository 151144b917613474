"""How much room an answer is first given, from what less room costs and what it saves."""

from __future__ import annotations

import numpy as np

from semcache.strategies.token_budget.lengths import Distribution

LEAST_SEEN = 30
LEAST_CUT_OFF = 3
_MARGIN = 1.25  # a saving that is expected must be clearly one


def budget_tokens(
    known: Distribution | None, limit: int, *, least: int = 1, input_price: float, output_price: float
) -> int | None:
    """The most tokens to ask for first, below the caller's limit; None: all that he allows.

    Claude does not see `max_tokens`, so a budget shortens no answer that ends by itself, and one that it cuts off is
    asked again with the caller's own limit: that costs what was written, b tokens, and the prompt, c. All it can save
    is runaways, of which it ends each at b instead of at the limit L, where they recover when they are asked again:

        r (s (L - m) - b - c) > (o P(X > b) + u) (b + c)

    r: share of answers that ran into L, s: those of them that recover; o: share of complete answers, X: their lengths,
    m: their mean; u: share of those that ran into a much smaller limit, and may be of any length.

    The b that gains most is taken, and none where nothing ran away. `least` is what thinking needs. Prices are those
    of a token of output and of the whole prompt.
    """
    if known is None or known.seen < LEAST_SEEN or output_price <= 0:
        return None
    complete = 1 - float(known.cut_shares.sum())
    rate, unclear, reach = known.runaway_share(limit), known.unclear_share(limit), known.lengths
    candidates = reach[(reach >= least) & (reach < limit)]
    if not len(candidates) or complete <= 0 or rate / complete * known.seen < LEAST_CUT_OFF:
        return None
    again = candidates + input_price / output_price  # in tokens of output
    beyond = np.array([known.share_beyond(int(tokens) + 1) for tokens in candidates])
    gained = rate * (known.recovers * (limit - known.mean_tokens) - again)
    lost = (complete * beyond + unclear) * again
    best = int(np.argmax(gained - _MARGIN * lost))
    return int(candidates[best]) if gained[best] > _MARGIN * lost[best] else None
