"""Redis as a store that many replicas share: vector sets where the server has them, exact repeats where it has not."""
