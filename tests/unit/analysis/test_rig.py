"""Forms of a model for the measuring stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.analysis.rig import config_with, form_of
from argosy.analysis.space import Configuration
from argosy.runtime.model_config import read_message
from argosy.store.entries import ModelEntry
from tests.suites.echo_models import echo_tensors


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    return echo_tensors(tmp_path / "store")


def test_a_form_is_the_model_with_another_config(entry: ModelEntry, tmp_path: Path) -> None:
    """The model's files are linked, and the store is as it was."""
    before = (entry.directory / "config.pbtxt").read_text()
    made = config_with(entry, Configuration.of({"max_batch_size": 32, "queue_delay_us": 700, "instances": 3}))
    form = form_of(entry, made, tmp_path / "forms")
    message = read_message(form.directory / "config.pbtxt")
    assert (message.max_batch_size, message.instance_group[0].count) == (32, 3)
    assert message.dynamic_batching.max_queue_delay_microseconds == 700
    assert [tensor.name for tensor in message.input] == ["text"]
    assert (form.directory / "1").resolve() == (entry.directory / "1").resolve()
    assert (entry.directory / "config.pbtxt").read_text() == before


def test_the_next_form_replaces_the_former(entry: ModelEntry, tmp_path: Path) -> None:
    """Under the same name, which is the model's."""
    for size in (4, 16):
        form = form_of(entry, config_with(entry, Configuration.of({"max_batch_size": size})), tmp_path / "forms")
    assert [folder.name for folder in (tmp_path / "forms").iterdir()] == [entry.name]
    assert read_message(form.directory / "config.pbtxt").max_batch_size == 16
