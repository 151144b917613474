"""The cheapest sufficient model: which arm a miss goes to, and what happens when that was too little."""
