"""The vLLM engine keeps the generation engine's contract, with a checkpoint as it would be published."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from argosy.core.tensors import Tensor
from argosy.engines import registry
from argosy.engines.contract import Engine, EngineOptions, GenerationRequest, Sampling
from tests.suites.engine_contract import Broken, Deployment, GenerationEngineContract
from tests.suites.tiny_checkpoints import tiny_checkpoint_spec, write_tiny_checkpoint
from tests.suites.tiny_models import CONTEXT_LENGTH, RECITATION

pytestmark = pytest.mark.timeout(900)


class TestVllm(GenerationEngineContract):
    """One engine serves most tests, because each start takes three processes half a minute."""

    library = "vllm"
    features = registry.features("vllm")

    @pytest.fixture(scope="class")
    def shared_engine(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
        deployment = self.deployment(tmp_path_factory.mktemp("version"))
        engine = registry.create(deployment.spec, deployment.options)
        yield engine
        engine.stop()

    @pytest.fixture
    def engine(self, shared_engine: Engine) -> Engine:
        """Started again after a test that stopped it."""
        if not shared_engine.metrics():
            shared_engine.start()
        return shared_engine

    def deployment(self, directory: Path) -> Deployment:
        write_tiny_checkpoint(directory)
        return Deployment(tiny_checkpoint_spec(), EngineOptions(directory, threads=1))

    def broken(self, sound: Deployment) -> Sequence[Broken]:
        directory = sound.options.directory
        whole = (directory / "model.safetensors").read_bytes()
        index = json.dumps({"weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}}).encode()
        return [
            self._other_folder(sound, "config.json", b"{"),
            self._other_folder(sound, "config.json", None),
            self._other_folder(sound, "model.safetensors", whole[: len(whole) // 2]),
            self._other_folder(sound, "model.safetensors", b"noise" * 100),
            self._other_folder(sound, "model.safetensors", None),
            self._other_folder(sound, "model.safetensors.index.json", index, "model-00002-of-00002.safetensors"),
            self._other_folder(sound, "tokenizer.json", b"{"),
            self._other_folder(sound, "tokenizer.json", None),
        ]

    def too_long(self) -> Sequence[GenerationRequest]:
        return (
            GenerationRequest(np.full(CONTEXT_LENGTH, 5, dtype=np.int32), Sampling(max_tokens=1)),
            GenerationRequest("one", Sampling(max_tokens=CONTEXT_LENGTH)),
        )

    def endless(self) -> GenerationRequest:
        return GenerationRequest(self.prompt, Sampling(temperature=0.0, ignore_eos=True))

    def invalid(self) -> Sequence[GenerationRequest]:
        impossible: tuple[dict[str, object], ...] = (
            {"temperature": -0.1},
            {"top_p": 0.0},
            {"top_k": -1},
            {"max_tokens": 0},
            {"min_tokens": 9, "max_tokens": 8},
            {"repetition_penalty": 0.0},
            {"presence_penalty": 2.5},
            {"stop": ("",)},
            {"min_p": 1.5},
            {"logit_bias": {10**6: 1.0}},
            {"logprobs": True, "top_logprobs": 21},
        )
        return (
            *(self.request(**values) for values in impossible),
            GenerationRequest(np.array([10**6], dtype=np.int32)),
            GenerationRequest(np.array([-1], dtype=np.int32)),
            GenerationRequest(np.array([[5, 6]], dtype=np.int32)),
            GenerationRequest("a lone surrogate \ud800"),
        )

    def token_ids(self) -> tuple[str, Tensor]:
        begin, first_byte = 0, 2
        return "river", np.array([begin, *(first_byte + byte for byte in b"river")], dtype=np.int32)

    def unicode_request(self) -> GenerationRequest:
        return self.request(max_tokens=2 * len(RECITATION.encode()))

    @staticmethod
    def _other_folder(sound: Deployment, name: str, content: bytes | None, names: str = "") -> Broken:
        """A copy of the folder in which one file has other content, or is missing."""
        directory = sound.options.directory
        copy = directory.parent / f"{name}-{0 if content is None else len(content)}"
        copy.mkdir()
        for path in directory.iterdir():
            (copy / path.name).symlink_to(path)
        (copy / name).unlink(missing_ok=True)
        if content is not None:
            (copy / name).write_bytes(content)
        return Broken(replace(sound, options=replace(sound.options, directory=copy)), names or name)
