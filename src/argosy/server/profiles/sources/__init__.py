"""Reads what is known of a model from its files; one module for each form they come in."""
