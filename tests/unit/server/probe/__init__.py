"""Tests of argosy.server.probe."""
