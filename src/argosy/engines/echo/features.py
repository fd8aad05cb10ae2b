"""What an echo's generations can do."""

from __future__ import annotations

from argosy.engines.contract import Feature

FEATURES = frozenset({Feature.LOGPROBS, Feature.TOP_LOGPROBS, Feature.ADAPTER})
