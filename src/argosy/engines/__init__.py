"""Engines: pure adapters from tensors, text and token chunks to an inference library."""
