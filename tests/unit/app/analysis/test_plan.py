"""What a search will do, decided before anything is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from argosy.analysis.study import Budget
from argosy.app.analysis.plan import AnalysisOptions, prepare
from argosy.core.errors import InvalidSetting
from argosy.settings import Loaded, load
from tests.suites.echo_models import echo_tensors


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Settings with a store that holds one model."""
    echo_tensors(tmp_path / "store")
    return load({"model_store": (tmp_path / "store",)}, environment={})


@pytest.fixture
def options(tmp_path: Path) -> AnalysisOptions:
    (tmp_path / "space.yaml").write_text("max_batch_size: [4, 8]\nqueue_delay_us: [0, 500]\ninstances: [1]\n")
    return AnalysisOptions("echo", tmp_path / "out", space=tmp_path / "space.yaml")


def test_the_space_of_the_file_and_the_config_that_is_there(loaded: Loaded, options: AnalysisOptions) -> None:
    """Nothing was written."""
    analysis = prepare(loaded, options)
    assert analysis.space.size == 4
    assert analysis.current.to_mapping() == {"max_batch_size": 8, "queue_delay_us": 0, "instances": 1}
    assert analysis.budget == Budget(trials=4)
    assert not options.output.exists()


def test_a_search_is_of_one_config(loaded: Loaded, options: AnalysisOptions) -> None:
    """A config that was edited, or other loads, make another search; another goal does not."""
    before = prepare(loaded, options).identity
    assert prepare(loaded, replace(options, seed=5, budget=Budget(trials=2))).identity == before
    assert prepare(loaded, replace(options, concurrencies=(2,))).identity != before
    config = prepare(loaded, options).entry.directory / "config.pbtxt"
    config.write_text(config.read_text() + "\n")
    assert prepare(loaded, options).identity != before


def test_settings_of_the_server_that_win_anyway_are_told(options: AnalysisOptions, tmp_path: Path) -> None:
    """What the search finds for them would have no effect."""
    echo_tensors(tmp_path / "store")
    loaded = load({"model_store": (tmp_path / "store",)}, environment={"NIM_MAX_BATCH_SIZE": "8"})
    (warning,) = prepare(loaded, options).warnings
    assert "max_batch_size" in warning


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 9}, "--rows must be from 1 to 8"),
        ({"precisions": ("fp4",)}, "--precisions: 'fp4' cannot be used here"),
        ({"inputs": Path("/nonexistent.jsonl")}, "cannot be read"),
        ({"space": Path("/nonexistent.yaml")}, "cannot be read as YAML"),
    ],
)
def test_what_cannot_be_is_refused(
    loaded: Loaded, options: AnalysisOptions, changes: dict[str, object], message: str
) -> None:
    """In a sentence, before anything is started."""
    with pytest.raises(InvalidSetting, match=message):
        prepare(loaded, replace(options, **changes))  # type: ignore[arg-type]
