"""Tests of argosy.api.management."""
