"""Prompt caching: marks placed for the caller where the prefix is expected to come again."""
