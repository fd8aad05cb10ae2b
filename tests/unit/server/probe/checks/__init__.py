"""Tests of argosy.server.probe.checks."""
