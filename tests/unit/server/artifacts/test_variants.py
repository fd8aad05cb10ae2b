"""What is served where another profile's entry is all that a cache has, and nothing can be added to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from argosy.core.errors import CacheNotWritable
from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile, Substitute
from argosy.store.entries import ModelEntry
from tests.suites.checkpoints import encoder
from tests.unit.server.artifacts.sources import encoder_folder

BF16 = ChosenProfile("ab" * 32, "torch-cpu-bf16", {"engine": "torch"}, "torch", "bf16", "fp32", "cpu")
F32 = replace(BF16, id="cd" * 32, name="torch-cpu-f32", precision="f32")


class Judge:
    """Takes the entry of one engine, and remembers what it was asked."""

    def __init__(self, engine: str) -> None:
        self.asked: list[tuple[list[str], ChosenProfile | None]] = []
        self._engine = engine

    def __call__(self, made: Sequence[ModelEntry], chosen: ChosenProfile | None) -> ModelEntry | None:
        self.asked.append(([entry.spec.profile.precision for entry in made], chosen))
        return next((entry for entry in made if entry.spec.engine == self._engine), None)


def adopted(folder: Path, chosen: ChosenProfile | None, substitute: Substitute | None = None) -> ModelEntry:
    return adopt(folder, folder.parent / "cache", None, lambda source, name: chosen, substitute)


def occupy(folder: Path, chosen: ChosenProfile) -> None:
    """Make it impossible to write the entry of a profile, for every user."""
    place = chosen.place(folder.parent / "cache")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")


def test_the_entry_of_another_profile_is_served(tmp_path: Path) -> None:
    """Whoever judges it is shown all that were made of the source, and what was chosen."""
    folder = encoder(tmp_path / "bert")
    made = [adopted(folder, F32), adopted(folder, replace(F32, max_model_len=64))]
    occupy(folder, BF16)
    judge = Judge("torch")
    assert adopted(folder, BF16, judge) in made
    assert judge.asked == [(["f32", "f32"], BF16)]


def test_what_was_chosen_is_served_where_it_is_there(tmp_path: Path) -> None:
    """Nobody is asked."""
    folder = encoder(tmp_path / "bert")
    made = adopted(folder, F32)
    judge = Judge("torch")
    assert adopted(folder, F32, judge) == made
    assert judge.asked == []


def test_what_was_made_without_a_choice_counts_and_the_other_way_round(tmp_path: Path) -> None:
    """The network of a folder for its weights, and the weights for the network."""
    folder = encoder_folder(tmp_path / "bert")
    (folder / "model.safetensors").write_bytes((encoder(tmp_path / "e") / "model.safetensors").read_bytes())
    network = adopted(folder, None)
    occupy(folder, BF16)
    assert adopted(folder, BF16, Judge("openvino")) == network
    weights = adopted(folder, F32)
    (folder.parent / "cache" / "store").rename(tmp_path / "gone")
    (folder.parent / "cache" / "store").write_text("")
    assert adopted(folder, None, Judge("torch")) == weights


def test_an_entry_of_another_source_is_none_of_the_same(tmp_path: Path) -> None:
    """A folder that changed since the cache was filled is not served as it was."""
    folder = encoder(tmp_path / "bert")
    adopted(folder, F32)
    occupy(folder, BF16)
    (folder / "tokenizer.json").write_text("{ }")
    judge = Judge("torch")
    with pytest.raises(CacheNotWritable, match=f"{tmp_path}/cache cannot be written"):
        adopted(folder, BF16, judge)
    assert judge.asked == []


@pytest.mark.parametrize("judge", [None, Judge("vllm")])
def test_without_one_that_can_be_served_the_cache_is_to_blame(tmp_path: Path, judge: Judge | None) -> None:
    """The message names the cache, and what it holds where that was judged."""
    folder = encoder(tmp_path / "bert")
    adopted(folder, F32)
    occupy(folder, BF16)
    with pytest.raises(CacheNotWritable, match=f"{tmp_path}/cache cannot be written") as caught:
        adopted(folder, BF16, judge)
    assert ("It holds bert for torch-cpu-f32" in caught.value.message) is (judge is not None)
