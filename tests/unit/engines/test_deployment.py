"""What an operator says of lengths shortens any model; the table of options is whole."""

from __future__ import annotations

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec, Task, TextSpec
from argosy.engines.deployment import GENERATION_ONLY, NEUTRAL, DeploymentOption, Lengths, shortened
from argosy.engines.registry import ENGINES, deployment_options

CHAT = ModelSpec("chat", Task.GENERATE, "openvino_genai", generate=GenerateSpec(1024))
VECTORS = ModelSpec("vectors", Task.EMBED, "openvino", text=TextSpec(max_tokens=256))
PLAIN = ModelSpec("sum", Task.TENSOR, "openvino")


@pytest.mark.parametrize(("limit", "context"), [(None, 1024), (100, 100), (4096, 1024)])
def test_a_limit_makes_a_context_shorter_and_never_longer(limit: int | None, context: int) -> None:
    """What the model was made for is the most there is."""
    generate = shortened(CHAT, Lengths(model=limit)).generate
    assert generate is not None
    assert generate.context_length == context


@pytest.mark.parametrize(
    ("lengths", "longest"),
    [
        (Lengths(), 256),
        (Lengths(model=64), 64),
        (Lengths(input=32), 32),
        (Lengths(64, 32), 32),
        (Lengths(output=1), 256),
    ],
)
def test_an_encoder_reads_the_shorter_of_both_limits(lengths: Lengths, longest: int) -> None:
    """All its tokens are input."""
    text = shortened(VECTORS, lengths).text
    assert text is not None
    assert text.max_tokens == longest


def test_what_needs_no_change_stays_the_same() -> None:
    """A network without text, and a model within the limits."""
    assert shortened(PLAIN, Lengths(1, 1, 1)) is PLAIN
    assert shortened(CHAT, Lengths(4096)) is CHAT


@pytest.mark.parametrize("value", ["0", "-1", "long", "1.5"])
def test_a_length_that_cannot_be_used_is_named(value: str) -> None:
    """The message has the parameter and what to write."""
    with pytest.raises(InvalidModelEntry, match=r"'max_model_len'.*whole number"):
        Lengths.of({"max_model_len": value})


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_holds_the_lengths(engine: str) -> None:
    """They are cut before any engine is built."""
    assert {DeploymentOption.MAX_MODEL_LEN, DeploymentOption.MAX_INPUT_LENGTH} <= deployment_options(engine)


def test_an_engine_that_does_not_exist_has_no_options() -> None:
    """Nothing can be said of it."""
    assert deployment_options("abacus") == frozenset()


def test_options_that_are_told_apart_exist() -> None:
    """Neither table holds a name of its own."""
    assert set(DeploymentOption) >= GENERATION_ONLY | NEUTRAL.keys()
