"""The store for many hosts: PostgreSQL keeps everything, pgvector finds what is near."""
