"""Tests of argosy.server.artifacts."""
