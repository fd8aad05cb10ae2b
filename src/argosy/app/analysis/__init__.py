"""Wiring of the configuration search behind `argosy analyze`."""
