"""Which models are in memory: what each takes, what to load and what to evict, and the one that does it."""
