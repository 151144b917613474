"""How much room an answer is first given, from what less room costs and what it saves."""

from __future__ import annotations

import numpy as np

from semcache.strategies.token_budget.lengths import Distribution

LEAST_SEEN = 30
LEAST_CUT_OFF = 3
_RECOVERS = 0.5  # of runaways, when they are asked again: nobody knows until it is tried
_MARGIN = 1.25  # a saving that is expected must be clearly one


def budget_tokens(
    known: Distribution | None, limit: int, *, least: int = 1, input_price: float, output_price: float
) -> int | None:
    """The most tokens to ask for first, below the caller's limit; None: all that he allows.

    Claude does not see `max_tokens`, so a budget shortens no answer that ends by itself, and one that it cuts off is
    asked again with the caller's own limit: that costs what was written, b tokens, and the prompt, c. All it can save
    is runaways, of which it ends each at b instead of at the limit L, where they recover when they are asked again:

        r (s (L - m) - b) > P(X > b) (b + c)      r: share of answers that ran into L, s: those of them that recover,
                                                  X: lengths of the others, m their mean

    The b that gains most is taken, and none where nothing ran away. `least` is what thinking needs. Prices are those
    of a token of output and of the whole prompt.
    """
    if known is None or known.seen < LEAST_SEEN or known.cut_off_share * known.seen < LEAST_CUT_OFF:
        return None
    rate, reach = known.cut_off_share, known.lengths
    candidates = reach[(reach >= least) & (reach < limit)]
    if output_price <= 0 or not len(candidates):
        return None
    prompt = input_price / output_price  # in tokens of output
    beyond = np.array([known.share_beyond(int(tokens) + 1) for tokens in candidates])
    gained = rate * (_RECOVERS * (limit - known.mean_tokens) - candidates)
    lost = (1 - rate) * beyond * (candidates + prompt)
    best = int(np.argmax(gained - _MARGIN * lost))
    return int(candidates[best]) if gained[best] > _MARGIN * lost[best] else None
