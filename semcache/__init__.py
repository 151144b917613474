"""semcache: a semantic response cache for the Claude API."""

__version__ = "0.1.0"
