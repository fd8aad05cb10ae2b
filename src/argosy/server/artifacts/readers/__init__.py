"""Readers of model file formats. They take untrusted files: everything is bounded and nothing is executed."""
