"""Argosy: open inference microservices on the real Triton Inference Server."""

__version__ = "0.1.0"
