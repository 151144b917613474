"""Example files for several machines: `semcache deployment` prints them, the tests start them."""
