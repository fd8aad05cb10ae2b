"""What an engine cannot do is refused before the engine, in the client's own words."""

from __future__ import annotations

from collections.abc import Mapping

from argosy.core.errors import UnsupportedParameter
from argosy.engines.contract import Feature
from argosy.engines.registry import features
from argosy.server.catalog.catalog import ServedModel

_DEEDS: Mapping[Feature, str] = {
    Feature.LOGPROBS: "tell log-probabilities",
    Feature.TOP_LOGPROBS: "tell the log-probabilities of tokens that it did not choose",
    Feature.LOGIT_BIAS: "change the likelihood of single tokens",
    Feature.MIN_P: "cut off tokens by 'min_p'",
    Feature.CONSTRAINT: "hold an answer to a form",
}


def require(model: ServedModel, feature: Feature, field: str) -> None:
    """Refuse a field that the model's engine cannot honour.

    Raises:
        UnsupportedParameter: naming `field`.
    """
    if feature not in features(model.spec.engine):
        raise UnsupportedParameter(
            f"'{field}' is not possible with model '{model.name}': its engine, {model.spec.engine}, cannot "
            f"{_DEEDS[feature]}. Leave it out.",
            param=field,
        )
