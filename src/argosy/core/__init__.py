"""Nouns and errors that every layer shares. Needs the standard library and NumPy only."""
