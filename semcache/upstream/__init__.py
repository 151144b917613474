"""The Claude API over HTTP, and the simulator of it."""
