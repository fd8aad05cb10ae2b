"""Turn what Triton answers into Argosy's errors. Source of the texts: Triton core and python backend 2.51."""

from __future__ import annotations

import re
from collections.abc import Callable

import grpc

from argosy.core.deadline import Deadline
from argosy.core.errors import (
    ArgosyError,
    EngineError,
    InvalidRequest,
    PayloadTooLarge,
    RequestCancelled,
    RuntimeFailure,
    decode,
)
from argosy.runtime.failures import (
    crashed,
    deadline_exceeded,
    no_version,
    not_found,
    not_ready,
    queue_full,
    queue_timeout,
    streams_only,
)

_CODE = grpc.StatusCode
_REQUEST_PREFIX = re.compile(r"^\[request id: [^\]]*\] ")
_TENSOR = re.compile(r"(?:input|output|tensor) (?:tensor )?'(?P<name>[^']{1,64})'")
_HINT = re.compile(r"\.? NOTE: Setting a non-zero max_batch_size.*", re.DOTALL)
# Anchored, as is `[argosy:`: Triton quotes the caller's own words further inside its messages, and a caller must not
# be able to make the supervisor restart the server by naming a tensor like one of these texts.
_UNHEALTHY = re.compile(
    r"(?:Failed to process the request\(s\) for model '[^']*', message: )?Stub process '?[\w.-]*'? ?is not healthy"
    r"|Failed to process the requests?\.?$"
)
_OWN = "[argosy:"
_REFUSALS = ("expected", "unexpected", "inference ", "input ", "must specify", "failed to get model version")


def translate(code: grpc.StatusCode | None, text: str, model: str, deadline: Deadline) -> ArgosyError:
    """The error for one failed call.

    Args:
        code: gRPC status; None for errors inside a stream, which carry only their text.
        text: Triton's words; reach the caller only when they speak of the caller's tensors.
        model: named in the message.
        deadline: tells a deadline of the request from one of Triton's queue.
    """
    own = decode(text) if is_own(text) else None
    if own is not None:
        return own
    if code in {None, _CODE.INTERNAL} and _UNHEALTHY.match(text):
        return crashed(model)
    text = _REQUEST_PREFIX.sub("", text).strip()
    return _BY_CODE.get(code or _guess(text), _failure)(text, model, deadline)


def is_own(text: str) -> bool:
    """Whether an engine of ours wrote the whole text."""
    return text.startswith(_OWN)


def _invalid(text: str, model: str, _deadline: Deadline) -> ArgosyError:
    if "decoupled" in text:
        return streams_only(model)
    if "version string" in text:
        return InvalidRequest("A model version must be a whole number from 1 on.", param="version")
    tensor = _TENSOR.search(text)
    text = _HINT.sub("", text)[:512]
    return InvalidRequest(text or "The request was refused.", param=tensor["name"] if tensor else None)


def _not_found(text: str, model: str, _deadline: Deadline) -> ArgosyError:
    if "no available versions" in text or "not ready" in text:
        return not_ready(model)
    return no_version(model) if "version" in text else not_found(model)


def _unavailable(text: str, model: str, deadline: Deadline) -> ArgosyError:
    lowered = text.lower()
    if "maximum queue size" in lowered:
        return queue_full(model)
    if "timeout expired" in lowered:
        return deadline_exceeded() if deadline.passed else queue_timeout(model)
    if "restricted" in lowered:
        return RuntimeFailure("The serving runtime refused a call it should accept: its fence and the client disagree.")
    if any(words in lowered for words in ("not ready", "no available versions", "unloading", "not available")):
        return not_ready(model)
    return crashed(model)


def _late(_text: str, _model: str, _deadline: Deadline) -> ArgosyError:
    return deadline_exceeded()


def _cancelled(_text: str, _model: str, _deadline: Deadline) -> ArgosyError:
    return RequestCancelled("The request was cancelled.")


def _too_large(_text: str, _model: str, _deadline: Deadline) -> ArgosyError:
    return PayloadTooLarge("The tensors are larger than one message may be. Send fewer at once.")


def _engine(_text: str, model: str, _deadline: Deadline) -> ArgosyError:
    return EngineError(f"The model {model!r} failed to answer this request. The server's log has the reason.")


def _failure(_text: str, model: str, _deadline: Deadline) -> ArgosyError:
    return RuntimeFailure(f"The serving runtime failed on a request for {model!r}. The server's log has the reason.")


_BY_CODE: dict[grpc.StatusCode, Callable[[str, str, Deadline], ArgosyError]] = {
    _CODE.INVALID_ARGUMENT: _invalid,
    _CODE.UNIMPLEMENTED: _invalid,
    _CODE.OUT_OF_RANGE: _invalid,
    _CODE.NOT_FOUND: _not_found,
    _CODE.UNAVAILABLE: _unavailable,
    _CODE.DEADLINE_EXCEEDED: _late,
    _CODE.CANCELLED: _cancelled,
    _CODE.RESOURCE_EXHAUSTED: _too_large,
    _CODE.INTERNAL: _engine,
}


def _guess(text: str) -> grpc.StatusCode:
    """The status that the text would have carried outside of a stream."""
    lowered = text.lower()
    if "maximum queue size" in lowered or "timeout expired" in lowered or "not ready" in lowered:
        return _CODE.UNAVAILABLE
    if "unknown model" in lowered or "no available versions" in lowered:
        return _CODE.NOT_FOUND
    if "cancel" in lowered:
        return _CODE.CANCELLED
    if lowered.startswith(_REFUSALS) or "for model" in lowered:
        return _CODE.INVALID_ARGUMENT
    return _CODE.INTERNAL
