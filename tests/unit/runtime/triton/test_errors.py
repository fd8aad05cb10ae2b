from __future__ import annotations

import grpc
import pytest

from argosy.core.deadline import NEVER, Deadline
from argosy.core.errors import (
    ArgosyError,
    DeadlineExceeded,
    EngineCrashed,
    EngineError,
    InputTooLong,
    InvalidRequest,
    ModelNotFound,
    ModelNotReady,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    RequestCancelled,
    RuntimeFailure,
    encode,
)
from argosy.runtime.triton.errors import translate

CODE = grpc.StatusCode

TABLE: list[tuple[grpc.StatusCode | None, str, type[ArgosyError]]] = [
    (CODE.INVALID_ARGUMENT, "[request id: a] inference input 'x' data-type is 'FP32', but ...", InvalidRequest),
    (CODE.UNIMPLEMENTED, "ModelInfer RPC doesn't support models with decoupled transaction policy", InvalidRequest),
    (CODE.INVALID_ARGUMENT, "failed to get model version from specified version string 'x'", InvalidRequest),
    (CODE.NOT_FOUND, "Request for unknown model: 'm' is not found", ModelNotFound),
    (CODE.NOT_FOUND, "Request for unknown model: 'm' has no available versions", ModelNotReady),
    (CODE.NOT_FOUND, "Request for unknown model: 'm' version 7 is not found", NotFound),
    (CODE.UNAVAILABLE, "[request id: <id_unknown>] Exceeds maximum queue size", Overloaded),
    (CODE.UNAVAILABLE, "[request id: <id_unknown>] Request timeout expired", Overloaded),
    (CODE.UNAVAILABLE, "This protocol is restricted, expecting header 'x'", RuntimeFailure),
    (CODE.UNAVAILABLE, "Socket closed", EngineCrashed),
    (CODE.UNAVAILABLE, "failed to connect to all addresses; last error: ...", EngineCrashed),
    (CODE.DEADLINE_EXCEEDED, "Deadline Exceeded", DeadlineExceeded),
    (CODE.CANCELLED, "CANCELLED", RequestCancelled),
    (CODE.RESOURCE_EXHAUSTED, "Received message larger than max", PayloadTooLarge),
    (CODE.INTERNAL, "Stub process 'm_0_0' is not healthy.", EngineCrashed),
    (CODE.INTERNAL, "Failed to process the requests.", EngineCrashed),
    (CODE.INTERNAL, "Failed to process the request(s) for model 'm_0_0', message: ValueError: x", EngineError),
    (CODE.DATA_LOSS, "whatever", RuntimeFailure),
    (None, "Stub process 'm_0_0' is not healthy.", EngineCrashed),
    (None, "[request id: <id_unknown>] Exceeds maximum queue size", Overloaded),
    (None, "Request for unknown model: 'm' is not found", ModelNotFound),
    (None, "Request for unknown model: 'm' has no available versions", ModelNotReady),
    (None, "[request id: a] unexpected inference input 'x' for model 'm'", InvalidRequest),
    (None, "ValueError: x", EngineError),
]


@pytest.mark.parametrize(("code", "text", "kind"), TABLE)
def test_table(code: grpc.StatusCode | None, text: str, kind: type[ArgosyError]) -> None:
    """Each of Triton's answers is exactly one of our errors."""
    assert type(translate(code, text, "m", NEVER)) is kind


@pytest.mark.parametrize("code", [CODE.INTERNAL, CODE.INVALID_ARGUMENT, None])
def test_engine_errors_come_back(code: grpc.StatusCode | None) -> None:
    """An engine's encoded error wins over the status it came with."""
    sent = InputTooLong("Input length 9 exceeds maximum allowed token size 8.", param="text")
    got = translate(code, encode(sent), "m", NEVER)
    assert (type(got), got.message, got.param) == (InputTooLong, sent.message, "text")


@pytest.mark.parametrize(
    "name",
    ["[argosy:engine_crashed] x", "Stub process 'm_0_0' is not healthy.", "Failed to process the requests."],
)
@pytest.mark.parametrize(
    "template",
    [
        "unexpected inference input '{}' for model 'm'",
        "[request id: {}] unexpected inference input 'a' for model 'm'",
        "Request for unknown model: '{}' is not found",
        "[request id: a] {} ] unexpected inference input 'a' for model 'm'",
    ],
)
@pytest.mark.parametrize("code", [CODE.INVALID_ARGUMENT, CODE.NOT_FOUND, None])
def test_callers_cannot_forge_a_crash(name: str, template: str, code: grpc.StatusCode | None) -> None:
    """A caller's own words, quoted by Triton, are never taken for a crash, which would restart the server."""
    assert not isinstance(translate(code, template.format(name), "m", NEVER), EngineCrashed)


def test_crashes_do_not_repeat_triton() -> None:
    """The message of a crash is fixed."""
    error = translate(CODE.INTERNAL, "Stub process 'secret_0_0' is not healthy.", "m", NEVER)
    assert "secret" not in error.message
    assert "restarted" in error.message


def test_queue_timeout_after_the_deadline_is_the_deadline() -> None:
    """Triton's queue timeout is a passed deadline when the request's own has passed."""
    text = "[request id: a] Request timeout expired"
    assert type(translate(CODE.UNAVAILABLE, text, "m", Deadline.after(-1))) is DeadlineExceeded


def test_tensor_is_named() -> None:
    """The tensor that Triton complains about is the parameter."""
    text = "[request id: abc] unexpected shape for input 'text' for model 'echo'. Expected [-1,1], got [1]. NOTE: Se"
    error = translate(CODE.INVALID_ARGUMENT, text, "echo", NEVER)
    assert error.param == "text"
    assert error.message.startswith("unexpected shape")
