from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from argosy.cli.startup_report import StartupReport
from argosy.core.models import ModelSpec
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.store.entries import ModelEntry

ENTRY = ModelEntry(
    ModelSpec.from_mapping(
        {"schema": 1, "name": "talker", "task": "generate", "engine": "echo", "generate": {"context_length": 8}}
    ),
    Path("/nowhere"),
    (1,),
)


def status(state: RuntimeState, model: ModelState, reason: str = "") -> RuntimeStatus:
    return RuntimeStatus(state, reason=reason, models={"talker": ModelStatus("talker", model, reason)})


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def report(output: io.StringIO, *, secured: bool = False) -> StartupReport:
    return StartupReport(Console(file=output, width=200), [ENTRY], [], "http://127.0.0.1:8000", secured=secured)


def test_each_change_of_a_model_is_printed_once(output: io.StringIO) -> None:
    """The same snapshot twice prints nothing new."""
    shown = report(output)
    shown.on_status(status(RuntimeState.STARTING, ModelState.LOADING))
    shown.on_status(status(RuntimeState.STARTING, ModelState.LOADING))
    shown.on_status(status(RuntimeState.READY, ModelState.READY))
    assert output.getvalue().count("talker loading") == 1
    assert output.getvalue().count("talker ready") == 1


def test_a_fence_and_a_recovery_are_told(output: io.StringIO) -> None:
    """An operator sees why the runtime was fenced and that it came back."""
    shown = report(output)
    shown.on_status(status(RuntimeState.READY, ModelState.READY))
    shown.on_status(status(RuntimeState.FENCED, ModelState.FENCED, "stub died"))
    shown.on_status(status(RuntimeState.STARTING, ModelState.LOADING))
    shown.on_status(status(RuntimeState.READY, ModelState.READY))
    assert "stub died" in output.getvalue()
    assert "ready again" in output.getvalue()


def test_the_table_has_the_route_and_a_request_to_copy(output: io.StringIO) -> None:
    """A newcomer can paste one line and get an answer."""
    shown = report(output)
    shown.on_status(status(RuntimeState.READY, ModelState.READY))
    shown.finish()
    assert "/v1/chat/completions" in output.getvalue()
    assert "curl -s http://127.0.0.1:8000" in output.getvalue()
    assert "authorization" not in output.getvalue()


def test_with_keys_the_request_says_where_the_key_goes(output: io.StringIO) -> None:
    """A secured server's example has the header."""
    shown = report(output, secured=True)
    shown.on_status(status(RuntimeState.READY, ModelState.READY))
    shown.finish()
    assert "authorization: Bearer" in output.getvalue()


def test_a_failed_model_is_shown_with_its_reason(output: io.StringIO) -> None:
    """The reason a model did not load stands in the output, and no request to it is suggested."""
    shown = report(output)
    shown.on_status(status(RuntimeState.READY, ModelState.FAILED, "model.xml is missing"))
    shown.finish()
    assert "model.xml is missing" in output.getvalue()
    assert "curl" not in output.getvalue()


def test_on_the_way_out_nothing_is_told_as_trouble(output: io.StringIO) -> None:
    """Models that go because the server goes are no fault."""
    shown = report(output)
    shown.on_status(status(RuntimeState.READY, ModelState.READY))
    shown.leaving()
    shown.on_status(status(RuntimeState.STOPPED, ModelState.FENCED, "the serving process is being restarted"))
    assert "fenced" not in output.getvalue()


def test_models_that_come_and_go_are_told(output: io.StringIO) -> None:
    """An operator sees what was loaded and unloaded while the server runs."""
    shown = report(output)
    shown.on_status(status(RuntimeState.READY, ModelState.READY))
    shown.on_status(RuntimeStatus(RuntimeState.READY, models={"loud": ModelStatus("loud", ModelState.READY)}))
    assert "loud ready" in output.getvalue()
    assert "talker unloaded" in output.getvalue()


def test_grpc_is_shown_where_it_listens(output: io.StringIO) -> None:
    """The report names the gRPC address beside the KServe URL, and leaves it out when it is off."""
    report(output).finish()
    assert "KServe v2: http://127.0.0.1:8000/v2\n" in output.getvalue()
    shown = StartupReport(
        Console(file=output, width=200), [ENTRY], [], "http://127.0.0.1:8000", secured=False, grpc="127.0.0.1:8001"
    )
    shown.finish()
    assert "KServe gRPC: 127.0.0.1:8001" in output.getvalue()
