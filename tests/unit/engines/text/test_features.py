"""What an engine lacks is refused by the name of its field."""

from __future__ import annotations

import pytest

from argosy.core.errors import UnsupportedParameter
from argosy.engines.contract import Constraint, ConstraintKind, Feature, Sampling
from argosy.engines.text.features import refuse_missing

ASKED = [
    (Feature.LOGPROBS, Sampling(logprobs=True)),
    (Feature.TOP_LOGPROBS, Sampling(top_logprobs=1)),
    (Feature.LOGIT_BIAS, Sampling(logit_bias={1: 1.0})),
    (Feature.MIN_P, Sampling(min_p=0.1)),
    (Feature.CONSTRAINT, Sampling(constraint=Constraint(ConstraintKind.REGEX, "a"))),
]


@pytest.mark.parametrize(("feature", "sampling"), ASKED)
def test_names_the_field(feature: Feature, sampling: Sampling) -> None:
    """`param` is the field of `Sampling`; with the feature nothing is refused."""
    with pytest.raises(UnsupportedParameter) as caught:
        refuse_missing(sampling, set(Feature) - {feature}, "toy")
    assert caught.value.param == feature.value
    assert hasattr(sampling, feature.value)
    refuse_missing(sampling, {feature}, "toy")


def test_a_plain_request_needs_nothing() -> None:
    """The defaults ask for no feature."""
    refuse_missing(Sampling(), set(), "toy")
