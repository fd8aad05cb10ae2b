"""What `library` calls, by its documented names.

TensorRT-LLM and torch are not here. Modules that write down how they are called take their places; that the library
takes these calls is not shown.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from argosy.engines.grammar.messages import Grammar
from argosy.engines.tensorrt_llm.arguments import llm_arguments
from argosy.engines.tensorrt_llm.messages import Load, Settings
from tests.unit.engines.tensorrt_llm.deployments import CONTEXT_LENGTH, deployment

_NAMES = {
    "torch": (),
    "tensorrt_llm": ("LLM", "SamplingParams"),
    "tensorrt_llm.executor": (),
    "tensorrt_llm.executor.request": ("LoRARequest",),
    "tensorrt_llm.llmapi": ("GuidedDecodingParams", "KvCacheConfig", "RequestOutput", "SchedulerConfig"),
    "tensorrt_llm.lora_manager": ("LoraConfig",),
}
WARM = Settings({"max_tokens": 2}, {})


def called(name: str) -> Any:
    """A class that writes down what it is made with."""

    def make(*positions: object, **words: object) -> SimpleNamespace:
        return SimpleNamespace(made=name, positions=positions, words=words)

    return make


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module under test, over modules that write down."""
    for module, names in _NAMES.items():
        stand_in = ModuleType(module)
        for name in names:
            setattr(stand_in, name, called(name))
        monkeypatch.setitem(sys.modules, module, stand_in)
    monkeypatch.setattr(sys.modules["torch"], "zeros", lambda size, dtype: [0.0] * size, raising=False)
    monkeypatch.setattr(sys.modules["torch"], "float32", "float32", raising=False)
    monkeypatch.delitem(sys.modules, "argosy.engines.tensorrt_llm.library", raising=False)
    module = importlib.import_module("argosy.engines.tensorrt_llm.library")
    monkeypatch.delitem(sys.modules, "argosy.engines.tensorrt_llm.library")
    return module


def load(adapter: str = "") -> Load:
    arguments = llm_arguments(deployment())
    if adapter:
        arguments["lora_config"] = {"lora_dir": [adapter]}
    return Load(arguments, adapter, 8, 4, 60.0, WARM)


def begun(running: Any, settings: Settings) -> dict[str, Any]:
    """What `generate_async` is called with."""
    calls: list[dict[str, Any]] = []
    running._llm.generate_async = lambda *positions, **words: calls.append({"inputs": positions, **words})
    running.begin([1, 2], settings)
    return calls[0]


def test_configurations_are_made_of_the_librarys_classes(library: Any) -> None:
    """All else is handed on as it is."""
    words = library.Library(load())._llm.words
    assert words["kv_cache_config"].made == "KvCacheConfig"
    assert words["kv_cache_config"].words == {"enable_block_reuse": True}
    assert words["scheduler_config"].made == "SchedulerConfig"
    assert words["max_seq_len"] == CONTEXT_LENGTH
    assert "lora_config" not in words


def test_a_generation_streams_token_ids(library: Any) -> None:
    """With nothing that was not asked for."""
    call = begun(library.Library(load()), WARM)
    assert call["inputs"] == ([1, 2],)
    assert call["streaming"] is True
    assert call["lora_request"] is None
    assert call["sampling_params"].words == {"max_tokens": 2, "embedding_bias": None, "guided_decoding": None}


def test_a_constraint_and_a_bias_become_the_librarys_own(library: Any) -> None:
    """A row of the vocabulary's length, and a guide of its kind."""
    words = begun(library.Library(load()), Settings({}, {3: -5.0, 0: 1.0}, Grammar("regex", "a+")))[
        "sampling_params"
    ].words
    assert words["embedding_bias"] == [1.0, 0.0, 0.0, -5.0, 0.0, 0.0, 0.0, 0.0]
    assert words["guided_decoding"].made == "GuidedDecodingParams"
    assert words["guided_decoding"].words == {"regex": "a+"}


def test_an_adapter_goes_with_every_generation(library: Any) -> None:
    """By its folder."""
    running = library.Library(load("/adapters/a"))
    assert running._llm.words["lora_config"].made == "LoraConfig"
    assert begun(running, WARM)["lora_request"].positions == ("adapter", 0, "/adapters/a")


def test_the_length_is_what_the_cache_holds(library: Any) -> None:
    """Where the library tells it; never more than was asked for."""
    running = library.Library(load())
    assert running.context_length == CONTEXT_LENGTH
    for holds in (1000, 10 * CONTEXT_LENGTH):
        running._llm._executor = SimpleNamespace(max_seq_len=holds)
        assert running.context_length == min(holds, CONTEXT_LENGTH)
