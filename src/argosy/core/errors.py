"""Every error Argosy raises on purpose.

    ArgosyError
    ├── RequestError                 the caller can fix it
    │   ├── InvalidRequest           a field has a wrong type or value
    │   │   ├── MalformedBody        the body is not the JSON it claims to be
    │   │   ├── InputTooLong         more tokens than the model takes
    │   │   └── UnsupportedParameter the model or its engine cannot do this
    │   ├── Unauthenticated          no key, or a wrong one
    │   ├── PermissionDenied         a known key without the right
    │   ├── NotFound
    │   │   └── ModelNotFound
    │   ├── MethodNotAllowed
    │   ├── PayloadTooLarge
    │   │   └── HeadersTooLarge
    │   ├── UnsupportedMediaType
    │   └── RequestTimeout           the client sent its body too slowly
    ├── Unavailable                  right request, wrong moment; carries retry_after
    │   ├── Overloaded               queues are full
    │   ├── TooManyJobs              as many jobs wait as may
    │   ├── ModelNotReady            loading, fenced or failed
    │   └── Draining                 this server is going away
    ├── DeadlineExceeded             the request's own deadline passed
    ├── RequestCancelled             the client left
    ├── EngineError                  the engine answered with a failure
    │   └── EngineCrashed            the engine's process died while it had the request
    ├── RuntimeFailure               the serving runtime could not do what it was told
    │   ├── RuntimeStartFailed
    │   └── ModelLoadFailed
    ├── ConversionFailed             a step of a conversion failed, or passed its limits
    │   └── ProofFailed              what was built is not right enough to be served
    └── ConfigurationError           the operator can fix it; the process does not start
        ├── InvalidSetting
        ├── InvalidModelEntry        a model on disk is broken or not allowed
        │   └── CorruptModel         its bytes are not those its checksum was made of
        ├── SourceUnavailable        a model cannot be fetched from where it is kept
        │   └── NotCached            and may not be, because this process is offline
        ├── ModelEntryExists         another writer was first
        ├── StorageFull              the disk has no room for it
        ├── CacheNotWritable         the model cache is read-only, or somebody else's
        ├── MissingRequirement       the machine lacks something; names the command that adds it
        ├── AddressInUse
        └── AlreadyRunning

A message says what is wrong and what to change. `code` is the machine-readable name that crosses process
borders (see `encode` and `decode`); `param` names the request field at fault.
"""

from __future__ import annotations

import re
from typing import ClassVar


class ArgosyError(Exception):
    """Base of the tree.

    Attributes:
        message: one sentence for people, with the remedy.
        param: the request field at fault, in the caller's own spelling, or None.
        code: stable machine-readable name of the class of error.
        retry_after: seconds after which a retry may succeed, or None when a retry is pointless.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after


class RequestError(ArgosyError):
    """The caller can fix it."""

    code = "bad_request"


class InvalidRequest(RequestError):
    """A field has a wrong type or value."""

    code = "invalid_value"


class MalformedBody(InvalidRequest):
    """The body is not the JSON it claims to be."""

    code = "invalid_json"


class InputTooLong(InvalidRequest):
    """More tokens than the model takes."""

    code = "context_length_exceeded"


class UnsupportedParameter(InvalidRequest):
    """The model or its engine cannot do this."""

    code = "unsupported_parameter"


class Unauthenticated(RequestError):
    """No key, or a wrong one."""

    code = "invalid_api_key"


class PermissionDenied(RequestError):
    """A known key without the right."""

    code = "permission_denied"


class NotFound(RequestError):
    """The thing named does not exist here."""

    code = "not_found"


class ModelNotFound(NotFound):
    """No model of that name is served."""

    code = "model_not_found"


class MethodNotAllowed(RequestError):
    """The route exists, the method does not.

    Attributes:
        allowed: the methods it has, joined by commas; empty when unknown.
    """

    code = "method_not_allowed"
    allowed: str = ""


class PayloadTooLarge(RequestError):
    """The body or a list is over its limit."""

    code = "payload_too_large"


class HeadersTooLarge(PayloadTooLarge):
    """The headers are too many or too long."""

    code = "headers_too_large"


class UnsupportedMediaType(RequestError):
    """The content type or content encoding is not accepted."""

    code = "unsupported_media_type"


class RequestTimeout(RequestError):
    """The client sent its body too slowly."""

    code = "request_timeout"


class Unavailable(ArgosyError):
    """The request is right and the moment is wrong."""

    code = "service_unavailable"


class Overloaded(Unavailable):
    """Queues are full."""

    code = "server_is_overloaded"


class TooManyJobs(Unavailable):
    """As many jobs wait as may."""

    code = "too_many_jobs"


class ModelNotReady(Unavailable):
    """The model is loading, fenced or failed."""

    code = "model_not_ready"


class Draining(Unavailable):
    """This server finishes what it has and takes nothing new."""

    code = "server_is_draining"


class DeadlineExceeded(ArgosyError):
    """The request's own deadline passed."""

    code = "deadline_exceeded"


class RequestCancelled(ArgosyError):
    """The client left."""

    code = "request_cancelled"


class EngineError(ArgosyError):
    """The engine answered with a failure."""

    code = "engine_error"


class EngineCrashed(EngineError):
    """The engine's process died, or stopped answering, while it had the request."""

    code = "engine_crashed"


class RuntimeFailure(ArgosyError):
    """The serving runtime could not do what it was told."""

    code = "runtime_failure"


class RuntimeStartFailed(RuntimeFailure):
    """The serving runtime did not come up."""

    code = "runtime_start_failed"


class ModelLoadFailed(RuntimeFailure):
    """The runtime refused or failed to load a model."""

    code = "model_load_failed"


class ConversionFailed(ArgosyError):
    """A step of a conversion failed, or passed its limits."""

    code = "conversion_failed"


class ProofFailed(ConversionFailed):
    """What was built is not right enough to be served."""

    code = "proof_failed"


class ConfigurationError(ArgosyError):
    """The operator can fix it; the process does not start."""

    code = "configuration_error"


class InvalidSetting(ConfigurationError):
    """A flag, variable or file holds a value that cannot be used."""

    code = "invalid_setting"


class InvalidModelEntry(ConfigurationError):
    """A model on disk is broken or not allowed."""

    code = "invalid_model"


class CorruptModel(InvalidModelEntry):
    """The bytes of a model are not those that its checksum was made of."""

    code = "corrupt_model"


class SourceUnavailable(ConfigurationError):
    """A model cannot be fetched: there is none, no right to it, or no way to where it is kept."""

    code = "source_unavailable"


class NotCached(SourceUnavailable):
    """A model would have to be fetched, and this process is offline."""

    code = "not_cached"


class ModelEntryExists(ConfigurationError):
    """Another writer made the entry first."""

    code = "model_entry_exists"


class StorageFull(ConfigurationError):
    """The disk has no room for a model."""

    code = "storage_full"


class CacheNotWritable(ConfigurationError):
    """The model cache is read-only, or belongs to somebody else."""

    code = "cache_not_writable"


class MissingRequirement(ConfigurationError):
    """The machine lacks something; the message names the command that adds it."""

    code = "missing_requirement"


class AddressInUse(ConfigurationError):
    """Another process listens on the address."""

    code = "address_in_use"


class AlreadyRunning(ConfigurationError):
    """Another Argosy owns the run directory."""

    code = "already_running"


_CROSSES_PROCESSES: tuple[type[ArgosyError], ...] = (
    InvalidRequest,
    MalformedBody,
    InputTooLong,
    UnsupportedParameter,
    Overloaded,
    DeadlineExceeded,
    RequestCancelled,
    EngineError,
    EngineCrashed,
)
_BY_CODE = {error.code: error for error in _CROSSES_PROCESSES}
_ENCODED = re.compile(r"\[argosy:(?P<code>[a-z_]+)(?::(?P<param>[\w.\[\]-]{1,64}))?\] (?P<message>.*)", re.DOTALL)


def encode(error: ArgosyError) -> str:
    """The error as one line of text that `decode` turns back, for wires that carry only a message."""
    param = f":{error.param}" if error.param else ""
    return f"[argosy:{error.code}{param}] {error.message}"


def decode(text: str) -> ArgosyError | None:
    """The error inside `text` as written by `encode`, wherever it stands, or None when there is none.

    Only classes an engine may raise are decoded; any other code becomes `EngineError`.
    """
    match = _ENCODED.search(text)
    if match is None:
        return None
    error = _BY_CODE.get(match["code"], EngineError)
    return error(match["message"], param=match["param"])
