from __future__ import annotations

import json

from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus


def test_a_snapshot_survives_json() -> None:
    """What is published is what is followed."""
    status = RuntimeStatus(
        RuntimeState.BACKOFF,
        generation=2,
        reason="stub died",
        models={"m": ModelStatus("m", ModelState.FENCED, "stub died")},
    )
    assert RuntimeStatus.from_mapping(json.loads(json.dumps(status.to_mapping()))) == status


def test_ready_needs_the_runtime_and_every_model() -> None:
    """One model that is not ready keeps the whole from being ready."""
    good = ModelStatus("a", ModelState.READY)
    bad = ModelStatus("b", ModelState.LOADING)
    assert RuntimeStatus(RuntimeState.READY, models={"a": good}).ready
    assert not RuntimeStatus(RuntimeState.READY, models={"a": good, "b": bad}).ready
    assert not RuntimeStatus(RuntimeState.FENCED, models={"a": good}).ready
