"""What this engine's generations can do; see the package's docstring for what they cannot."""

from __future__ import annotations

from argosy.engines.contract import Feature

FEATURES = frozenset({Feature.LOGPROBS, Feature.MIN_P, Feature.CONSTRAINT, Feature.ADAPTER})
