"""Which entry is served where the chosen profile's cannot be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.probe.host import Host
from argosy.server.probe.software import Engine
from argosy.server.profiles.checkpoint import Terms, choose
from argosy.server.profiles.select import Options
from argosy.server.profiles.substitute import substitute
from argosy.server.profiles.wish import parse
from argosy.store.entries import ModelEntry
from tests.suites.checkpoints import encoder, language_model
from tests.suites.hosts import BARE, OPENVINO, described, gpu, with_gpus

ENGINES = frozenset({"openvino", "openvino_genai", "vllm", "torch"})
CPU = replace(BARE, engines=(*OPENVINO, Engine("torch", "2.13.0", ("cpu",)), Engine("vllm", "0.32.0", ("cpu",))))
GPUS = with_gpus(gpu(48), gpu(48))


def terms(wish: str = "", **options: Any) -> Terms:
    return Terms(Options(**options), parse(wish), ENGINES)


class Checkpoint:
    """A checkpoint and a cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def made(self, host: Host, wish: str = "", **options: Any) -> ModelEntry:
        """The entry that a machine makes of it."""
        found = terms(wish, **options)
        return adopt(self._folder, self._folder.parent, None, lambda source, name: choose(host, source, name, found))


@pytest.fixture
def bert(tmp_path: Path) -> Checkpoint:
    return Checkpoint(encoder(tmp_path / "bert"))


@pytest.fixture
def llama(tmp_path: Path) -> Checkpoint:
    return Checkpoint(language_model(tmp_path / "llama"))


def chosen(name: str, engine: str, **tags: str) -> ChosenProfile:
    return ChosenProfile("ef" * 32, name, {"engine": engine, **tags}, engine, "bf16", "bf16", "cpu")


BF16 = chosen("torch-cpu-bf16", "torch", precision="bf16")


def test_the_operator_is_told_of_both_profiles(bert: Checkpoint) -> None:
    """What is served, what would be, why not, and what to do."""
    entry = bert.made(CPU, "torch-cpu-f32")
    found = substitute(CPU, [entry], BF16, terms())
    assert found is not None
    assert found[0] is entry
    assert found[1] == (
        "bert is served as torch-cpu-f32, for which the model cache was filled. torch-cpu-bf16 would be chosen here, "
        "and the cache cannot be written: fill it on a machine like this one, or name another with --cache."
    )


def test_the_same_profile_with_other_settings_is_told_apart(bert: Checkpoint) -> None:
    """A machine with another amount of memory may have filled the cache."""
    found = substitute(CPU, [bert.made(CPU)], BF16, terms())
    assert found is not None
    assert "torch-cpu-bf16 with other settings would be chosen here" in found[1]


def test_what_was_built_for_openvino_is_called_so(bert: Checkpoint) -> None:
    """It has no chosen profile."""
    found = substitute(CPU, [bert.made(CPU)], None, terms())
    assert found is not None
    assert "OpenVINO would be chosen here" in found[1]


def test_an_entry_whose_engine_or_device_is_missing_is_not_served(bert: Checkpoint, llama: Checkpoint) -> None:
    """It would fail while it loads."""
    on_gpu = bert.made(described("laptop-8gb"), "torch-gpu-f32")
    assert substitute(CPU, [on_gpu], BF16, terms()) is None
    assert substitute(replace(CPU, engines=OPENVINO), [bert.made(CPU)], BF16, terms()) is None
    assert substitute(CPU, [llama.made(GPUS)], chosen("vllm-cpu-bf16", "vllm"), terms()) is None
    assert substitute(CPU, [bert.made(CPU)], BF16, replace(terms(), engines=frozenset({"openvino"}))) is None


def test_a_processor_without_an_instruction_and_little_memory_do_not_forbid(bert: Checkpoint) -> None:
    """The first is slow, the second an estimate."""
    entry = bert.made(CPU)
    for host in (replace(CPU, features=frozenset()), replace(CPU, memory=1 << 20)):
        found = substitute(host, [entry], chosen("torch-cpu-f32", "torch"), terms())
        assert found is not None
        assert found[0] is entry


def test_the_best_of_several_is_served(bert: Checkpoint, llama: Checkpoint) -> None:
    """What runs as it is before what lacks something, then by the order of engines; given in any order."""
    slow, fast = llama.made(CPU, "vllm-cpu-f32"), llama.made(CPU, "vllm-cpu-bf16")
    host = replace(CPU, features=frozenset())
    for made in ([slow, fast], [fast, slow]):
        found = substitute(host, made, chosen("other", "vllm"), terms())
        assert found is not None
        assert found[0] is slow
    laptop = described("laptop-8gb")
    on_cpu, on_gpu = bert.made(laptop, "torch-cpu-f32"), bert.made(laptop, "torch-gpu-f32")
    for made in ([on_cpu, on_gpu], [on_gpu, on_cpu]):
        found = substitute(laptop, made, None, terms())
        assert found is not None
        assert found[0] is on_gpu


def test_what_was_asked_for_is_not_made_less_of(bert: Checkpoint, llama: Checkpoint) -> None:
    """By name or tags, or by GPUs that share each layer; a wish that is for another model does not count."""
    entry = bert.made(CPU, "torch-cpu-f32")
    assert substitute(CPU, [entry], BF16, terms("torch-cpu-bf16")) is None
    assert substitute(CPU, [entry], BF16, terms("precision=bf16")) is None
    assert substitute(CPU, [entry], BF16, terms("vllm-cpu-bf16")) is not None
    assert substitute(CPU, [entry], BF16, terms(tags={"tp": "2"}, lora=True)) is not None
    one = llama.made(GPUS, tags={"tp": "1"})
    assert substitute(GPUS, [one], chosen("vllm-tp2", "vllm"), terms(tags={"tp": "2"})) is None
    assert substitute(GPUS, [one], chosen("vllm-tp2", "vllm"), terms()) is not None
