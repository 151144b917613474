"""Batches behind the cache: accepted, kept, answered from memory where they can be, and the rest sent at half price."""
