"""What is done with a request that the cache cannot answer."""
