"""How hard a request is: surface of its text, a model of each tier's quality, and the judge that reads both."""
