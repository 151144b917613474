"""Message Batches without a network: their wire format, how they are split and joined, and their states."""
