"""Token budgets: how much room an answer gets, how briefly it is asked for, and how much reference text goes along."""
