"""The text echo: its contract, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from argosy.core.errors import EngineError
from argosy.core.models import GenerateSpec, ModelSpec, Task
from argosy.core.tensors import Tensor
from argosy.engines import registry
from argosy.engines.contract import EngineOptions, GenerationEngine, GenerationRequest, Sampling
from argosy.engines.echo.engine import create
from tests.suites.engine_contract import Broken, Deployment, GenerationEngineContract, run, start

SPEC = ModelSpec("echo", Task.GENERATE, "echo", generate=GenerateSpec(context_length=4096))


class TestEchoGenerationContract(GenerationEngineContract):
    features = registry.features("echo")

    def deployment(self, directory: Path) -> Deployment:
        return Deployment(SPEC, EngineOptions(directory, parameters={"delay_ms": "1", "slots": "8"}))

    def broken(self, sound: Deployment) -> Sequence[Broken]:
        options = replace(sound.options, parameters={"slots": "0"})
        return [Broken(replace(sound, options=options), "slots")]

    def too_long(self) -> Sequence[GenerationRequest]:
        return [
            GenerationRequest("word " * 4096, Sampling(max_tokens=1)),
            GenerationRequest("word", Sampling(max_tokens=4096)),
            GenerationRequest("word " * 4096),
        ]

    def endless(self) -> GenerationRequest:
        return GenerationRequest("again and again", Sampling(max_tokens=4000, ignore_eos=True))

    def invalid(self) -> Sequence[GenerationRequest]:
        return [GenerationRequest("  \n "), GenerationRequest(np.array([1, -2], dtype=np.int32))]

    def token_ids(self) -> tuple[str, Tensor]:
        return "17 4 4", np.array([17, 4, 4], dtype=np.int32)

    def unicode_request(self) -> GenerationRequest:
        return GenerationRequest("déjà vu, 船 and 🚢", Sampling(max_tokens=8))


@pytest.fixture
def engine() -> Iterator[GenerationEngine]:
    engine = create(SPEC, EngineOptions(Path()))
    assert isinstance(engine, GenerationEngine)
    engine.start()
    yield engine
    engine.stop()


def test_says_what_it_was_told(engine: GenerationEngine) -> None:
    """The answer is the prompt, white space included, a word a chunk."""
    answer = run(engine, GenerationRequest(" to  be\nor not "))
    assert [chunk.text for chunk in answer.chunks] == [" to", "  be", "\nor", " not "]
    assert answer.chunks[-1].finish_reason == "stop"
    assert (answer.chunks[-1].num_input_tokens, answer.chunks[-1].num_output_tokens) == (4, 4)


def test_goes_round_when_told_to_ignore_the_end(engine: GenerationEngine) -> None:
    """With `ignore_eos` the words come again until `max_tokens`."""
    answer = run(engine, GenerationRequest("tick tack", Sampling(max_tokens=5, ignore_eos=True)))
    assert answer.text == "tick tack tick tack tick"


def test_a_stop_text_across_words_is_found(engine: GenerationEngine) -> None:
    """A stop text that spans two chunks ends the answer before its first character."""
    answer = run(engine, GenerationRequest("alpha beta gamma", Sampling(stop=("ha be",))))
    assert answer.text == "alp"
    assert answer.chunks[-1].num_output_tokens == 2


def test_an_adapter_makes_it_loud() -> None:
    """With an adapter, whatever it is, the answer is in capitals, and a stop text is looked for there."""
    spec = replace(SPEC, generate=replace(SPEC.generate, adapter="lora"))
    engine = create(spec, EngineOptions(Path()))
    assert isinstance(engine, GenerationEngine)
    engine.start()
    assert run(engine, GenerationRequest("to be", Sampling(stop=("be",)))).text == "TO BE"
    engine.stop()


def test_log_probabilities_go_by_length(engine: GenerationEngine) -> None:
    """A word's is minus a tenth of its length; after it come the word with a number behind."""
    chunk, last = run(engine, GenerationRequest("abc de", Sampling(logprobs=True, top_logprobs=2))).chunks
    (token,), (other,) = chunk.logprobs, last.logprobs
    assert (token.token, token.logprob) == (b"abc", -0.3)
    assert [(top.token, top.logprob) for top in token.top] == [(b"abc", -0.3), (b"abc1", -1.3)]
    assert (other.token, other.logprob) == (b" de", -0.3)


def test_fails_where_it_is_told_to() -> None:
    """`fail_after` ends every generation with an error in the middle of its answer."""
    engine = create(SPEC, EngineOptions(Path(), parameters={"fail_after": "3"}))
    assert isinstance(engine, GenerationEngine)
    engine.start()
    answer = start(engine, GenerationRequest("a b c d e"))
    assert isinstance(answer.wait().error, EngineError)
    assert answer.text == "a b"
    engine.stop()


def test_generations_beyond_the_slots_wait() -> None:
    """With one slot the second generation waits until the first is cancelled, then runs."""
    engine = create(SPEC, EngineOptions(Path(), parameters={"slots": "1", "delay_ms": "1"}))
    assert isinstance(engine, GenerationEngine)
    engine.start()
    first = start(engine, GenerationRequest("a", Sampling(max_tokens=4000, ignore_eos=True)))
    assert first.first.wait(30)
    second = start(engine, GenerationRequest("b"))
    assert engine.metrics() == {"running": 1, "waiting": 1, "kv_cache_usage": 1}
    engine.cancel(1)
    assert second.wait().finish_reason == "stop"
    engine.stop()
