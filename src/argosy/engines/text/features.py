"""Refuse what an engine cannot do, before it tries."""

from __future__ import annotations

from collections.abc import Set

from argosy.core.errors import UnsupportedParameter
from argosy.engines.contract import Feature, Sampling


def refuse_missing(sampling: Sampling, features: Set[Feature], engine: str) -> None:
    """Refuse a request that asks for a feature which is not in `features`.

    Raises:
        UnsupportedParameter: `param` is the field of `Sampling`.
    """
    asked = {
        Feature.LOGPROBS: sampling.logprobs,
        Feature.TOP_LOGPROBS: sampling.top_logprobs > 0,
        Feature.LOGIT_BIAS: bool(sampling.logit_bias),
        Feature.MIN_P: sampling.min_p > 0,
        Feature.CONSTRAINT: sampling.constraint is not None,
    }
    for feature, wanted in asked.items():
        if wanted and feature not in features:
            raise UnsupportedParameter(
                f"'{feature.value}' is not supported by the engine {engine!r}. Leave it out.", param=feature.value
            )
