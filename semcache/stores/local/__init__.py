"""The local store: SQLite is the truth, FAISS is derived from it."""
