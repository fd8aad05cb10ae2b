"""The load that a model is measured under: what is sent, and how it is timed."""
