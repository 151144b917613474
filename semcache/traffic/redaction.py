"""What a recording must not hold: secrets and what names people, replaced so that equal things stay equal."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

from semcache.decision.secrets import SECRETS

# Each begins where a run of its characters begins, and is bounded: linear in the text.
_PATTERNS = {
    "secret": SECRETS.pattern,
    "email": r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
    "number": r"(?<![\w.,])\+?\d(?:[ ()/.-]?\d){7,30}(?!\w)",  # cards, phones, accounts
    "ip": r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
}
_ANY = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS.items()))


def redactor(secret: bytes) -> Callable[[Any], Any]:
    """A function that redacts every text of a JSON value: `ann@example.org` becomes `[email 3f2a91]`.

    The same text becomes the same mark as long as the secret is the same, so repeats are still repeats.
    """

    def mark(found: re.Match[str]) -> str:
        digest = hmac.new(secret, found[0].encode("utf-8", "replace"), hashlib.sha256).hexdigest()
        return f"[{found.lastgroup} {digest[:6]}]"

    def redacted(value: Any) -> Any:
        match value:
            case str():
                return _ANY.sub(mark, value)
            case list():
                return [redacted(each) for each in value]
            case dict():
                return {name: redacted(each) for name, each in value.items()}
            case _:
                return value

    return redacted
