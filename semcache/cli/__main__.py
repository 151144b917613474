"""`python -m semcache.cli` is `semcache`."""

from semcache.cli import main

if __name__ == "__main__":
    main()
