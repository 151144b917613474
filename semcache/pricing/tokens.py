"""How many tokens a text is, roughly: for estimates where nobody has counted."""

from __future__ import annotations

BYTES_PER_TOKEN = 4


def estimate_tokens(text: str) -> int:
    """A quarter of the text's UTF-8 bytes, rounded up.

    Near the truth for English under the tokenizer up to Claude 4.6; multiply by the model's
    `tokenizer_factor` for later ones. Deterministic, and a longer text never counts less.
    """
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)
