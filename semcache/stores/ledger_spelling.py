"""How the open-ended parts of a ledger row are written down: money in whole pico-dollars, bills and parts as JSON.

A token at 0.03 dollars per million, read from the prompt cache and in a batch, is 1,500 pico-dollars.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal

from semcache.message import Usage
from semcache.stores.ledger_book import BillLine

_EXACT = Context(prec=60)
_COUNTS = ("input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens", "output_tokens")
_TERMS = ("is_batch", "is_fast", "is_us")


def pico_of(usd: Decimal) -> int:
    """Whole pico-dollars, exactly."""
    return int(usd.scaleb(12, _EXACT).to_integral_value(context=_EXACT))


def dollars_of(pico: int) -> Decimal:
    return Decimal(pico).scaleb(-12, _EXACT)


def write_parts(parts: Mapping[str, Decimal]) -> str:
    """`{"exact": 1500}`."""
    return json.dumps({name: pico_of(usd) for name, usd in parts.items()}, separators=(",", ":"))


def read_parts(text: str) -> dict[str, Decimal]:
    return {name: dollars_of(pico) for name, pico in json.loads(text).items()}


def write_bill(bill: Sequence[BillLine]) -> str:
    """`[["baseline","claude-opus-5-5",[3000,0,0,0,200],"b"]]`: counts by category, and the first letters of terms."""
    return json.dumps([_line(line) for line in bill], separators=(",", ":"))


def read_bill(text: str) -> tuple[BillLine, ...]:
    return tuple(
        BillLine(what, model, Usage(*counts, *(term[3] in terms for term in _TERMS)))
        for what, model, counts, terms in json.loads(text)
    )


def _line(line: BillLine) -> list[object]:
    usage = line.usage
    terms = "".join(term[3] for term in _TERMS if getattr(usage, term))
    return [line.what, line.model, [getattr(usage, name) for name in _COUNTS], terms]
