"""How large texts and messages are: bytes, and tokens estimated from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from semcache.pricing import Model
from semcache.pricing.tokens import BYTES_PER_TOKEN
from semcache.request import Json, encode_json


def byte_count(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def message_tokens(messages: Sequence[Json], model: Model) -> int:
    """Of what the messages hold, by the model's tokenizer; rather too many, since all names of fields count."""
    size = sum(len(encode_json(message.get("content"))) for message in messages)
    return math.ceil(size * float(model.tokenizer_factor) / BYTES_PER_TOKEN)
