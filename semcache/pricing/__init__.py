"""What Claude models are, accept and cost. Pure: read from a manifest, then only looked up."""

from semcache.pricing.book import Costs, PriceBook, Terms, find_claude_manifest
from semcache.pricing.model import Disabled, Effort, Lifecycle, Model, Preserved, Prices, Sampling, Thinking, Tier
from semcache.pricing.tokens import estimate_tokens

__all__ = [
    "Costs",
    "Disabled",
    "Effort",
    "Lifecycle",
    "Model",
    "Preserved",
    "PriceBook",
    "Prices",
    "Sampling",
    "Terms",
    "Thinking",
    "Tier",
    "estimate_tokens",
    "find_claude_manifest",
]
