"""The OpenVINO GenAI engine keeps the generation engine's contract, with a GGUF file and with a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from argosy.core.tensors import Tensor
from argosy.engines import registry
from argosy.engines.contract import Engine, EngineOptions, Feature, GenerationRequest, Sampling
from tests.suites.engine_contract import Broken, Deployment, GenerationEngineContract
from tests.suites.tiny_models import CONTEXT_LENGTH, RECITATION, tiny_spec, write_tiny_gguf, write_tiny_ir

_ONE_THREAD = {"threads": 1}


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[type, Engine]]:
    """Engines by test class."""
    engines: dict[type, Engine] = {}
    yield engines
    for engine in engines.values():
        engine.stop()


class _OpenVINOGenAI(GenerationEngineContract):
    library = "openvino_genai"
    features = registry.features("openvino_genai")

    @pytest.fixture
    def engine(self, engines: dict[type, Engine], tmp_path_factory: pytest.TempPathFactory) -> Engine:
        """One engine for many tests, because each start is a process; started again after a test that stopped it."""
        engine = engines.get(type(self))
        if engine is None:
            deployment = self.deployment(tmp_path_factory.mktemp("version"))
            engines[type(self)] = engine = registry.create(deployment.spec, deployment.options)
        if not engine.metrics():
            engine.start()
        return engine

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
            {"temperature": float("nan")},
            {"top_p": 0.0},
            {"top_p": 1.5},
            {"top_k": -1},
            {"max_tokens": 0},
            {"min_tokens": 9, "max_tokens": 8},
            {"repetition_penalty": 0.0},
            {"presence_penalty": 2.5},
            {"frequency_penalty": -2.5},
            {"stop": ("",)},
            {"min_p": 1.5},
        )
        return (
            *(self.request(**values) for values in impossible),
            GenerationRequest(np.array([10**6], dtype=np.int32)),
            GenerationRequest(np.array([-1], dtype=np.int32)),
            GenerationRequest(np.array([[5, 6]], dtype=np.int32)),
            GenerationRequest("a lone surrogate \ud800"),
        )

    def unicode_request(self) -> GenerationRequest:
        return self.request(max_tokens=2 * len(RECITATION.encode()))


class TestGGUF(_OpenVINOGenAI):
    """A `.gguf` file, which brings its own tokenizer."""

    def deployment(self, directory: Path) -> Deployment:
        write_tiny_gguf(directory / "model.gguf")
        return Deployment(tiny_spec(), EngineOptions(directory, **_ONE_THREAD))

    def broken(self, sound: Deployment) -> Sequence[Broken]:
        directory = sound.options.directory
        whole = (directory / "model.gguf").read_bytes()
        (directory / "cut.gguf").write_bytes(whole[: len(whole) // 2])
        (directory / "noise.gguf").write_bytes(bytes(range(256)) * 64)
        return [
            Broken(replace(sound, spec=replace(sound.spec, model=name)), name)
            for name in ("missing.gguf", "cut.gguf", "noise.gguf", "model.onnx")
        ]

    def token_ids(self) -> tuple[str, Tensor]:
        first_byte = 2
        return "river", np.array([first_byte + byte for byte in b"river"], dtype=np.int32)


class TestOpenVINOFolder(_OpenVINOGenAI):
    """A folder with `openvino_model.xml` and `tokenizer.json`, and no tokenizer for the library's grammars."""

    features = registry.features("openvino_genai") - {Feature.CONSTRAINT}

    def deployment(self, directory: Path) -> Deployment:
        write_tiny_ir(directory)
        return Deployment(tiny_spec("openvino_model.xml"), EngineOptions(directory, **_ONE_THREAD))

    def broken(self, sound: Deployment) -> Sequence[Broken]:
        directory = sound.options.directory
        return [
            self._other_folder(sound, directory, "openvino_model.xml", b"<net"),
            self._other_folder(sound, directory, "openvino_model.bin", None),
            self._other_folder(sound, directory, "tokenizer.json", b"{"),
            self._other_folder(sound, directory, "tokenizer.json", None),
        ]

    def token_ids(self) -> tuple[str, Tensor]:
        begin, first_byte = 0, 2
        return "river", np.array([begin, *(first_byte + byte for byte in b"river")], dtype=np.int32)

    @staticmethod
    def _other_folder(sound: Deployment, directory: Path, name: str, content: bytes | None) -> Broken:
        """A copy of the folder in which one file has other content, or is missing."""
        copy = directory.parent / f"{name}-{'missing' if content is None else 'damaged'}"
        copy.mkdir()
        for path in directory.iterdir():
            if path.name != name:
                (copy / path.name).write_bytes(path.read_bytes())
            elif content is not None:
                (copy / path.name).write_bytes(content)
        return Broken(replace(sound, options=replace(sound.options, directory=copy)), name)
