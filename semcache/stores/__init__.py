"""Where entries and exemplars live."""
