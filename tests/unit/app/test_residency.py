from __future__ import annotations

from pathlib import Path

import pytest

from argosy.app.residency import at_start, choose
from argosy.core.errors import InvalidSetting
from argosy.core.memory import MemoryAmount
from argosy.server.control.residency.footprint import estimate
from argosy.settings import Settings
from argosy.store.entries import ModelEntry
from tests.suites.echo_models import echo_tensors

MEMORY = 1 << 40


@pytest.fixture
def entries(tmp_path: Path) -> list[ModelEntry]:
    """Two of one size and one that is three times as large."""
    large = echo_tensors(tmp_path, "large", config="instance_group [ { count: 2 } ]")
    return [echo_tensors(tmp_path, "a"), echo_tensors(tmp_path, "b"), large]


def budget(entries: list[ModelEntry], models: float) -> MemoryAmount:
    return MemoryAmount(int(models * estimate(entries[0])))


def test_without_a_budget_everything_is_served(entries: list[ModelEntry]) -> None:
    """And loaded at the start."""
    assert choose(Settings(), entries, MEMORY) == (tuple(entries), ())
    assert at_start(Settings(), entries) == tuple(entries)


def test_models_that_stay_must_fit_together(entries: list[ModelEntry]) -> None:
    """Each is named with its size."""
    with pytest.raises(InvalidSetting, match=r"240 MiB.*300 MiB: a 60 MiB, b 60 MiB, large 180 MiB.*--load-on-demand"):
        choose(Settings(memory_budget=budget(entries, 4)), entries, MEMORY)


def test_models_that_take_turns_need_not(entries: list[ModelEntry]) -> None:
    """Only what is larger than the whole budget is left out, with the numbers."""
    settings = Settings(memory_budget=budget(entries, 1.5), load_on_demand=True)
    served, problems = choose(settings, entries, MEMORY)
    assert [entry.name for entry in served] == ["a", "b"]
    assert problems == ("large needs 180 MiB of memory; --memory-budget is 90 MiB.",)
    assert at_start(settings, served) == ()
    with pytest.raises(InvalidSetting, match="no model fits"):
        choose(Settings(memory_budget=MemoryAmount(5), load_on_demand=True), entries, MEMORY)


def test_a_share_of_the_memory_is_a_budget_too(entries: list[ModelEntry]) -> None:
    """Of what this machine has."""
    settings = Settings(memory_budget=MemoryAmount(share=0.5), load_on_demand=True)
    assert len(choose(settings, entries, 4 * estimate(entries[0]))[0]) == 2


def test_pinned_models_are_loaded_at_the_start_and_must_fit_together(entries: list[ModelEntry]) -> None:
    """They must exist."""
    settings = Settings(load_on_demand=True, pinned=("b",))
    assert [entry.name for entry in at_start(settings, entries)] == ["b"]
    with pytest.raises(InvalidSetting, match="Pin fewer"):
        choose(
            Settings(load_on_demand=True, pinned=("a", "b"), memory_budget=budget(entries, 1.5)), entries[:2], MEMORY
        )
    with pytest.raises(InvalidSetting, match="nobody"):
        choose(Settings(load_on_demand=True, pinned=("nobody",)), entries, MEMORY)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(idle_timeout=5),
        Settings(pinned=("a",)),
        Settings(triton_url="h:1", load_on_demand=True),
        Settings(triton_url="h:1", memory_budget=MemoryAmount(1)),
    ],
)
def test_settings_that_would_do_nothing_are_refused(entries: list[ModelEntry], settings: Settings) -> None:
    """Rather than ignored."""
    with pytest.raises(InvalidSetting, match="need"):
        choose(settings, entries, MEMORY)
