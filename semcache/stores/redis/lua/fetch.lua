-- Exemplars by id and the key of their entry: each of these entries once, with those of its exemplars that exist.
return fetched(3)
