"""Learning from the stream: what a request leaves to do once its caller has been served, and who does it."""
