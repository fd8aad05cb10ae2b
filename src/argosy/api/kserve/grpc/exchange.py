"""One request over gRPC, from its first byte to its last: what `api.http.edge` is to HTTP."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

from argosy.api.http.errors import internal_error, status_of
from argosy.core.errors import ArgosyError, DeadlineExceeded, RequestCancelled
from argosy.server.access.contract import Authenticator, Headers, Principal
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain, draining_error
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.call import Call
from argosy.telemetry.access import AccessLog, AccessRecord
from argosy.telemetry.metrics import Metrics

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PEER = re.compile(r"ipv[46]:(?P<host>.*):\d+")


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """Bounds on calls.

    Attributes:
        max_message_bytes: largest message of a client.
        max_metadata_bytes: names and values of all metadata of a call together.
        concurrent_calls: calls, streams included, that this process works on; more are RESOURCE_EXHAUSTED.
        message_seconds: longest time a client may take to send the message of a call that is no stream.
        stream_requests: requests of one stream in flight; the next is not read before one has ended.
        send_seconds: time a client may leave an answer of a stream unread before its requests are ended.
        keep_alive_seconds: silence after which a client is asked for a sign of life, and the time it has to give one; a
            connection that nobody reads ends so.
    """

    max_message_bytes: int = 16 << 20
    max_metadata_bytes: int = 32 << 10
    concurrent_calls: int = 1024
    message_seconds: float = 15.0
    stream_requests: int = 32
    send_seconds: float = 30.0
    keep_alive_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class EdgeParts:
    """What every call goes through.

    Attributes:
        access_log: None writes no line.
    """

    authenticator: Authenticator
    admission: Admission
    drain: Drain
    metrics: Metrics
    access_log: AccessLog | None = None
    options: GrpcOptions = field(default_factory=GrpcOptions)


class Caller:
    """Who makes a call, and what holds for every request in it.

    Attributes:
        headers: metadata as the authenticator reads them.
        request_id: the caller's own when it is well-formed; empty otherwise.
        address: of the client, without its port.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self.headers: Headers = [_header(key, value) for key, value in context.invocation_metadata() or ()]
        own = next((value for name, value in self.headers if name == b"x-request-id"), b"").decode(errors="replace")
        self.request_id = own if _REQUEST_ID.fullmatch(own) else ""
        self.principal = Principal("")
        peer = _PEER.fullmatch(unquote(context.peer() or ""))
        self.address = peer["host"].strip("[]") if peer else ""

    @property
    def seconds(self) -> float | None:
        """Seconds until the client's deadline, or None without one."""
        remaining: float | None = self._context.time_remaining()
        return remaining


class RequestIds:
    """Unique, ordered within a process, and cheaper than a random number for each."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count()

    def next(self) -> str:
        """A new one."""
        return f"{self._prefix}{next(self._numbers):010x}"


class Exchange:
    """A request as the methods see it.

    Attributes:
        path: `/service/method`.
        model: the runtime's name of the model it is for; empty until that is known.
        status: what HTTP would answer, for logs and metrics; 0 before there is an answer.
        error: the code of the error it ended with, or empty.
    """

    def __init__(self, parts: EdgeParts, caller: Caller, path: str, request_id: str) -> None:
        self._parts = parts
        self.caller = caller
        self.path = path
        self.request_id = request_id
        self.received = time.monotonic()
        self.model = ""
        self.status = 0
        self.error = ""
        self.prompt_tokens = 0
        self.output_tokens = 0
        self._seconds = caller.seconds
        self._task = asyncio.current_task()
        self._interruption: ArgosyError | None = None
        self._ended = False

    async def admit(self) -> None:
        """Let the caller in.

        Raises:
            Draining: nobody is let in any more.
            Unauthenticated, PermissionDenied, Unavailable: see `Authenticator`.
        """
        if self._parts.drain.draining:
            raise draining_error()
        self.caller.principal = await self._parts.authenticator.authenticate(self.caller.headers)

    def call(self, model: ServedModel, size: int) -> Call:
        """What this request carries to the model: its deadline, size and identity."""
        self.model = model.root
        deadline = self._parts.admission.deadline(model.root, self._seconds, self.received)
        return Call(self.request_id, deadline, size)

    def count(self, prompt_tokens: int, output_tokens: int = 0) -> None:
        """Note the tokens for the access log."""
        self.prompt_tokens += prompt_tokens
        self.output_tokens += output_tokens

    async def run(self, work: Callable[[Exchange], Awaitable[T]]) -> T | ArgosyError:
        """Do the work within drain, metrics and access log; the error instead of a result where there is one."""
        parts = self._parts
        handle = parts.drain.enter(self.interrupt, self)
        parts.metrics.in_flight.inc()
        try:
            outcome = await self._attempt(work)
        except BaseException:
            self._note(self._left())
            raise
        else:
            self._note(outcome)
            return outcome
        finally:
            self._ended = True
            parts.drain.leave(handle)
            parts.metrics.in_flight.dec()
            self._record()

    async def refuse(self, error: ArgosyError) -> ArgosyError:
        """End before anything was done; returns the error."""

        async def work(_: Exchange) -> None:
            raise error

        return await self.run(work) or error

    def interrupt(self, error: ArgosyError) -> None:
        """End the request with `error` wherever it stands."""
        if self._ended or self._interruption is not None or self._task is None:
            return
        self._interruption = error
        self._task.cancel()

    async def _attempt(self, work: Callable[[Exchange], Awaitable[T]]) -> T | ArgosyError:
        try:
            return await work(self)
        except ArgosyError as error:
            if error.__cause__ is not None and status_of(error) == 500:
                _LOG.warning("Request %s: %s", self.request_id, error.message, exc_info=error)
            return error
        except asyncio.CancelledError:
            if self._interruption is None or self._task is None:
                raise
            self._task.uncancel()
            return self._interruption
        except Exception:  # noqa: BLE001 - the last resort: whatever a method let slip becomes INTERNAL
            _LOG.exception("Request %s failed unexpectedly.", self.request_id)
            return internal_error()

    def _left(self) -> ArgosyError:
        """Why the call was ended from outside: by the client's deadline, or by the client."""
        if self._seconds is not None and time.monotonic() - self.received >= self._seconds:
            return DeadlineExceeded("The client's deadline passed.")
        return RequestCancelled("The client left.")

    def _note(self, outcome: object) -> None:
        if isinstance(outcome, ArgosyError):
            self.status, self.error = status_of(outcome), outcome.code
        else:
            self.status = 200

    def _record(self) -> None:
        seconds = time.monotonic() - self.received
        method = self.path.rpartition("/")[2]
        self._parts.metrics.request_ended(f"grpc {method}", self.model, self.status, seconds)
        if self._parts.access_log is None:
            return
        self._parts.access_log.write(
            AccessRecord(
                self.request_id,
                "GRPC",
                self.path,
                self.status,
                seconds,
                self.caller.address,
                self.caller.principal.name,
                self.model,
                self.prompt_tokens,
                self.output_tokens,
                self.error,
            )
        )


def _header(key: str, value: str | bytes) -> tuple[bytes, bytes]:
    return key.encode(), value if isinstance(value, bytes) else value.encode()
