from __future__ import annotations

import pytest

from argosy.core.errors import ModelNotReady
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.server.catalog.board import StatusBoard


def status(state: RuntimeState, **models: ModelState) -> RuntimeStatus:
    found = {name: ModelStatus(name, own, "because") for name, own in models.items()}
    return RuntimeStatus(state, models=found, reason="it crashed", retry_after=3)


def test_nothing_is_ready_before_the_first_news() -> None:
    """A worker that has heard nothing sends nothing."""
    board = StatusBoard()
    assert not board.ready
    with pytest.raises(ModelNotReady):
        board.check("m")


def test_a_ready_model_passes() -> None:
    """Whatever its neighbours do."""
    board = StatusBoard()
    board.update(status(RuntimeState.READY, good=ModelState.READY, bad=ModelState.FAILED))
    board.check("good")
    assert not board.ready


@pytest.mark.parametrize(
    ("own", "words"),
    [(ModelState.LOADING, "is loading"), (ModelState.FENCED, "being repaired"), (ModelState.FAILED, "failed to load")],
)
def test_another_state_is_told_with_its_reason(own: ModelState, words: str) -> None:
    """And when to come back."""
    board = StatusBoard()
    board.update(status(RuntimeState.READY, m=own))
    with pytest.raises(ModelNotReady, match=f"{words}.*because") as caught:
        board.check("m")
    assert caught.value.retry_after == 3


def test_a_loaded_model_passes_while_others_load() -> None:
    """One slow model does not hold up the server's start."""
    board = StatusBoard()
    board.update(status(RuntimeState.STARTING, m=ModelState.READY, slow=ModelState.LOADING))
    board.check("m")
    with pytest.raises(ModelNotReady, match="is loading"):
        board.check("slow")


_UP = {RuntimeState.READY, RuntimeState.STARTING}


@pytest.mark.parametrize("state", [state for state in RuntimeState if state not in _UP])
def test_no_model_passes_while_the_runtime_is_down(state: RuntimeState) -> None:
    """Even if its last own state was ready."""
    board = StatusBoard()
    board.update(status(state, m=ModelState.READY))
    with pytest.raises(ModelNotReady, match="it crashed"):
        board.check("m")
    assert "it crashed" in board.explain()


def test_listeners_hear_every_update_after_it_holds() -> None:
    """Metrics hang on it."""
    heard: list[bool] = []
    board = StatusBoard(lambda _: heard.append(board.ready))
    board.update(status(RuntimeState.READY, m=ModelState.READY))
    board.update(status(RuntimeState.FENCED, m=ModelState.READY))
    assert heard == [True, False]


def test_readiness_depends_on_the_required_models_only() -> None:
    """One that is loaded while the server runs must not take it out of service."""
    board = StatusBoard()
    board.require(["good"])
    board.update(status(RuntimeState.READY, good=ModelState.READY, adapter=ModelState.LOADING))
    assert board.ready
    with pytest.raises(ModelNotReady):
        board.check("adapter")
    board.update(status(RuntimeState.READY, good=ModelState.FENCED, adapter=ModelState.READY))
    assert not board.ready
    assert "adapter" not in board.explain()


def test_a_required_model_that_is_wanted_no_longer_is_not_waited_for() -> None:
    """An unload leaves a ready server ready."""
    board = StatusBoard()
    board.require(["good", "gone"])
    board.update(status(RuntimeState.READY, good=ModelState.READY))
    assert board.ready
