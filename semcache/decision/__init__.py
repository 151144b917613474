"""What may be looked up, what is a hit, and what may be stored; every answer carries its reason."""
