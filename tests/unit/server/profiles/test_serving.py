"""What `argosy serve` does with the profiles of entries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argosy.core.errors import InvalidSetting
from argosy.server.artifacts import staging
from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.places import bundled_store
from argosy.server.probe.software import Engine
from argosy.server.profiles.checkpoint import Terms
from argosy.server.profiles.checkpoint import choose as choose_profile
from argosy.server.profiles.serving import choose, dry_run_lines, start_lines
from argosy.server.profiles.sources.entry import profile_of
from argosy.server.profiles.wish import Wish, parse
from argosy.store.entries import ModelEntry, list_entries, read_entry
from tests.suites.checkpoints import encoder
from tests.suites.hosts import BARE, OPENVINO, described

ENTRIES = [read_entry(folder) for folder in list_entries(bundled_store())]
HOST = replace(BARE, engines=OPENVINO)
WITH_TORCH = replace(BARE, engines=(*OPENVINO, Engine("torch", "2.13.0", ("cpu",))))


def failed(entry: ModelEntry, **figures: Any) -> ModelEntry:
    """The same, but for a proof that it did not pass."""
    return replace(entry, spec=replace(entry.spec, proof={"passed": False, **figures}))


@pytest.mark.parametrize("name", ["this-machine", "t4", "arm-no-avx"])
def test_bundled_models_are_served_as_they_are_everywhere(name: str) -> None:
    """No profile changes, nothing is left out, nothing is warned of."""
    chosen = choose(described(name), ENTRIES, Wish(), named=False)
    assert chosen.entries == tuple(ENTRIES)
    assert (chosen.problems, chosen.warnings) == ((), ())
    assert [choice.verdict.profile.id for choice in chosen.served] == [profile_of(entry.spec).id for entry in ENTRIES]


def test_an_entry_that_failed_its_proof_is_left_out_with_the_reason() -> None:
    """The others are served."""
    broken = failed(ENTRIES[1], cosine_min=0.91)
    chosen = choose(HOST, [ENTRIES[0], broken], Wish(), named=False)
    assert chosen.entries == (ENTRIES[0],)
    (problem,) = chosen.problems
    assert problem == (
        f"{broken.name} failed its proof (cosine_min 0.91) and is not served by itself. To serve it all the same: "
        "--model-profile openvino-bf16-int8"
    )


def test_an_entry_that_failed_its_proof_is_refused_when_it_is_named() -> None:
    """And served when its profile is."""
    broken = failed(ENTRIES[1])
    with pytest.raises(InvalidSetting, match="failed its proof"):
        choose(HOST, [broken], Wish(), named=True)
    chosen = choose(HOST, [broken], parse("openvino-bf16-int8"), named=True)
    assert chosen.entries == (broken,)


def test_a_profile_that_no_model_has_is_refused_with_a_list() -> None:
    """One that any has is not."""
    with pytest.raises(InvalidSetting, match="openvino_genai-f32-fp16"):
        choose(HOST, ENTRIES, parse("vllm-bf16"), named=False)
    chosen = choose(HOST, ENTRIES, parse("engine=openvino"), named=False)
    assert chosen.entries == tuple(ENTRIES)
    assert [choice.wished for choice in chosen.served].count(True) == 3


def test_a_model_that_seems_not_to_fit_is_served_with_a_warning() -> None:
    """The sum is an estimate; it does not forbid."""
    chosen = choose(replace(HOST, memory=600 << 20), ENTRIES[:1], Wish(), named=False)
    assert chosen.entries == tuple(ENTRIES[:1])
    assert "may not run here: it needs 0.3" in chosen.warnings[0]


def test_the_start_names_every_profile_in_nims_words() -> None:
    """Deployment scripts look for these lines."""
    chosen = choose(HOST, ENTRIES[1:2], Wish(), named=False)
    profile = profile_of(ENTRIES[1].spec)
    first, second = start_lines(chosen.served)
    assert first == f"Selected profile: {profile.id} (openvino-bf16-int8) for all-minilm-l6-v2"
    assert second.startswith("Profile metadata: backend: openvino, precision: bf16, weights: int8, tp: 1")


def test_a_dry_run_tells_the_machine_the_models_and_the_sum() -> None:
    """With a reason for each."""
    lines = list(dry_run_lines(HOST, choose(HOST, ENTRIES, parse("engine=openvino"), named=False)))
    text = "\n".join(lines)
    assert text.count("Selected profile: ") == len(ENTRIES)
    assert text.count("Why: asked for by --model-profile; compatible: weights") == 3
    assert text.count("Why: the only one that this entry was built as; compatible: weights") == 1
    assert lines[-1].startswith("4 models, together at most 1.")
    assert lines[-1].endswith("of 63.5 GiB of memory.")


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelEntry:
    """An entry made of an encoder's checkpoint on a machine with torch; its weights are a link, as large ones are."""
    monkeypatch.setattr(staging, "_COPIED_UP_TO", 4096)
    terms = Terms(engines=frozenset({"torch"}))
    return adopt(
        encoder(tmp_path / "bert"), tmp_path, None, lambda source, name: choose_profile(WITH_TORCH, source, name, terms)
    )


def test_a_checkpoint_is_served_as_the_profile_that_was_chosen(checkpoint: ModelEntry) -> None:
    """One id in the entry, the manifest and the choice, with the memory of the profile."""
    assert (checkpoint.newest / "model.safetensors").is_symlink()
    (choice,) = choose(WITH_TORCH, [checkpoint], Wish(), named=True).served
    assert choice.verdict.profile.name == "torch-cpu-bf16"
    assert choice.verdict.profile.id == profile_of(checkpoint.spec).id == checkpoint.spec.source["profile"]["id"]
    assert choice.verdict.demand is not None
    assert "engine: torch, backend: torch, precision: bf16" in list(start_lines([choice]))[1]


def test_a_dry_run_tells_what_would_be_preferred_to_a_checkpoint(checkpoint: ModelEntry) -> None:
    """And what that takes; a profile that was asked for needs no such excuse."""
    text = "\n".join(dry_run_lines(WITH_TORCH, choose(WITH_TORCH, [checkpoint], Wish(), named=True)))
    assert "Why: the best ranked that needs no build step, where its entry was made; compatible: weights" in text
    assert "Preferred, and not taken: openvino-int8: weights" in text
    assert "it has to be converted first: argosy convert MODEL" in text
    assert "Preferred, and not taken: torch-gpu-bf16: needs torch built for cuda, has 2.13.0 built for cpu" in text
    asked = "\n".join(dry_run_lines(WITH_TORCH, choose(WITH_TORCH, [checkpoint], parse("engine=torch"), named=True)))
    assert "Preferred" not in asked


def test_a_profile_that_nobody_has_is_refused_with_every_profile_of_a_checkpoint(checkpoint: ModelEntry) -> None:
    """Not only with the one that it is served as; beside it the only one of a model that was built."""
    with pytest.raises(InvalidSetting, match="No profile is 'torch-cpu-f23'") as caught:
        choose(WITH_TORCH, [checkpoint, ENTRIES[1]], parse("torch-cpu-f23"), named=True)
    said = caught.value.message
    assert "Did you mean torch-cpu-f32?" in said
    assert all(
        f"{name} (" in said for name in ("torch-cpu-bf16", "torch-gpu-f32", "openvino-int8", "openvino-bf16-int8")
    )


def test_a_profile_that_an_entry_was_not_made_with_is_refused(checkpoint: ModelEntry) -> None:
    """The checkpoint has it, the entry in a store cannot become it."""
    with pytest.raises(InvalidSetting, match="bert was made as torch-cpu-bf16, and 'torch-cpu-f32'"):
        choose(WITH_TORCH, [ENTRIES[1], checkpoint], parse("torch-cpu-f32"), named=True)


def test_a_checkpoint_that_was_chosen_for_a_better_processor_is_warned_of(checkpoint: ModelEntry) -> None:
    """The entry knows what its profile asks of a machine, not only which engine it is for."""
    (warning,) = choose(replace(WITH_TORCH, features=frozenset()), [checkpoint], Wish(), named=True).warnings
    assert "may not run here: it needs a processor with bf16" in warning


def test_a_checkpoint_whose_engine_went_away_is_warned_of(checkpoint: ModelEntry) -> None:
    """An entry that was exported to another machine, for instance."""
    (warning,) = choose(HOST, [checkpoint], Wish(), named=True).warnings
    assert "may not run here: it needs torch, has none" in warning
