"""What an operator says of how models run has its effect on the real pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from argosy.core.errors import InputTooLong, InvalidRequest
from argosy.engines.contract import EngineOptions, GenerationRequest, Sampling
from argosy.engines.openvino_genai import pipeline
from argosy.engines.openvino_genai.engine import OpenVINOGenAIEngine
from argosy.engines.openvino_genai.messages import Load
from argosy.engines.registry import create
from tests.suites.engine_contract import Answer, run
from tests.suites.tiny_models import tiny_spec, write_tiny_gguf


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version folder with the tiny model."""
    path = tmp_path_factory.mktemp("version")
    write_tiny_gguf(path / "model.gguf")
    return path


def built(directory: Path, **parameters: str) -> OpenVINOGenAIEngine:
    engine = create(tiny_spec(), EngineOptions(directory, parameters=parameters))
    assert isinstance(engine, OpenVINOGenAIEngine)
    return engine


def order(directory: Path, **parameters: str) -> Load:
    return built(directory, **parameters)._load_order(directory / "model.gguf")


def prompt(length: int, max_tokens: int | None = 4) -> GenerationRequest:
    return GenerationRequest(np.full(length, 9, dtype=np.int32), Sampling(max_tokens, temperature=0.0, ignore_eos=True))


@pytest.fixture(scope="module")
def limited(directory: Path) -> Iterator[OpenVINOGenAIEngine]:
    """An engine with every limit on lengths and one slot, that reads prompts whole."""
    lengths = {"max_model_len": "64", "max_input_length": "40", "max_output_length": "32"}
    whole = {"enable_chunked_prefill": "false", "max_num_batched_tokens": "8"}
    engine = built(directory, **lengths, **whole, max_num_seqs="1")
    engine.start()
    yield engine
    engine.stop()


def test_the_model_length_is_the_context(limited: OpenVINOGenAIEngine) -> None:
    """Prompt and answer together end there, and more is refused."""
    last = run(limited, prompt(40, None)).chunks[-1]
    assert (last.finish_reason, last.num_input_tokens + last.num_output_tokens) == ("length", 64)
    with pytest.raises(InputTooLong, match="exceeds maximum allowed length 64"):
        limited.submit(prompt(40, 25), Answer())


def test_a_prompt_over_the_input_length_is_refused(limited: OpenVINOGenAIEngine) -> None:
    """Also where the context would hold it."""
    with pytest.raises(InputTooLong, match="exceeds maximum allowed length 40"):
        limited.submit(prompt(41), Answer())


def test_an_answer_ends_at_the_output_length(limited: OpenVINOGenAIEngine) -> None:
    """Without a wish of the request's; a wish for more is refused."""
    assert run(limited, prompt(10, None)).chunks[-1].num_output_tokens == 32
    with pytest.raises(InvalidRequest, match="at most 32") as caught:
        limited.submit(prompt(10, 33), Answer())
    assert caught.value.param == "max_tokens"


def test_a_prompt_is_read_whole_without_chunked_prefill(limited: OpenVINOGenAIEngine) -> None:
    """The library would not even load, were the pass not made as large as the context."""
    assert run(limited, prompt(40)).chunks[-1].num_output_tokens == 4


def test_the_scheduler_gets_what_was_said(directory: Path) -> None:
    """The library's own object holds each value."""
    said = {
        "kv_cache_gib": "3",
        "max_num_seqs": "5",
        "max_num_batched_tokens": "96",
        "enable_prefix_caching": "false",
        "enable_chunked_prefill": "true",
    }
    scheduling = pipeline._scheduling(order(directory, **said))
    assert scheduling.cache_size == 3
    assert scheduling.max_num_seqs == 5
    assert scheduling.max_num_batched_tokens == 96
    assert scheduling.enable_prefix_caching is False
    assert scheduling.dynamic_split_fuse is True
    whole = pipeline._scheduling(order(directory, enable_chunked_prefill="false", max_model_len="2048"))
    assert whole.dynamic_split_fuse is False
    assert whole.max_num_batched_tokens == 2048


def test_the_size_and_the_type_of_the_cache_decide_how_much_it_holds(directory: Path) -> None:
    """As the pipeline counts its own tokens."""
    usual = pipeline.load(order(directory)).cache_tokens
    larger = pipeline.load(order(directory, kv_cache_gib="2")).cache_tokens
    rounded = pipeline.load(order(directory, kv_cache_precision="u8")).cache_tokens
    assert larger == pytest.approx(2 * usual, rel=0.02)
    assert rounded > 2 * usual
