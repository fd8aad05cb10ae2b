"""Runtimes: they host engines, keep them alive and carry requests to them."""
