"""Settings in a `config.pbtxt`."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.analysis import knobs
from argosy.analysis.rig import config_with, form_of
from argosy.analysis.space import Configuration
from argosy.core.errors import InvalidSetting
from argosy.runtime.model_config import read_config, read_message
from argosy.server.artifacts.readers.config_text import read_outline
from argosy.store.entries import CONFIG_FILE, ModelEntry
from tests.suites.echo_models import echo_chat, echo_tensors

CHANGED = Configuration.of(
    {"max_batch_size": 32, "queue_delay_us": 700, "preferred_batch_sizes": "8,16", "instances": 3, "threads": 2}
)


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    return echo_tensors(tmp_path / "store", parameters={"delay_ms": "5"})


def reread(entry: ModelEntry, config: str, tmp_path: Path) -> ModelEntry:
    return form_of(entry, config, tmp_path / "forms")


def test_what_is_written_is_read(entry: ModelEntry, tmp_path: Path) -> None:
    """Every value comes back from the text, and what was not changed stays."""
    form = reread(entry, config_with(entry, CHANGED), tmp_path)
    message = read_message(form.directory / CONFIG_FILE)
    assert {name: knobs.read(message, name, value) for name, value in CHANGED.items} == CHANGED.to_mapping()
    assert knobs.read(message, "delay_ms", 0) == 5
    before, after = read_config(entry.directory / CONFIG_FILE), read_config(form.directory / CONFIG_FILE)
    assert (before.inputs, before.outputs, before.backend) == (after.inputs, after.outputs, after.backend)


def test_the_text_passes_the_check_of_entries_given_by_path(entry: ModelEntry) -> None:
    """A config with found values is still one that a user may bring along."""
    outline = read_outline(config_with(entry, CHANGED))
    assert outline.backend == "argosy_echo"


def test_a_silent_config_has_the_engines_defaults(entry: ModelEntry) -> None:
    """The default's type is the type of the answer."""
    message = read_message(entry.directory / CONFIG_FILE)
    assert knobs.read(message, "threads", 2) == 2
    assert knobs.read(message, "queue_delay_us", 99) == 0
    assert knobs.read(message, "precision", "bf16") == "bf16"


def test_a_model_without_batches_gets_no_batcher(tmp_path: Path) -> None:
    """Triton would refuse the config."""
    entry = echo_chat(tmp_path)
    text = config_with(entry, Configuration.of({"queue_delay_us": 500}))
    assert "dynamic_batching" not in text


def test_the_form_is_links_and_leaves_the_store_alone(entry: ModelEntry, tmp_path: Path) -> None:
    """The user's store is read and never written."""
    before = {path: path.stat().st_mtime_ns for path in entry.directory.rglob("*")}
    form = reread(entry, config_with(entry, CHANGED), tmp_path)
    assert form.newest.resolve() == entry.newest.resolve()
    assert {path: path.stat().st_mtime_ns for path in entry.directory.rglob("*")} == before


def test_a_setting_that_the_engine_lacks_is_refused() -> None:
    """The message lists those there are."""
    knobs.check_name("streams", "openvino")
    with pytest.raises(InvalidSetting, match="queue_delay_us, streams, threads"):
        knobs.check_name("kv_cache_gib", "openvino")
