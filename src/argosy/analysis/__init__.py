"""Configuration search: measure a model on the real Triton, search its settings, report, and apply the best ones."""
