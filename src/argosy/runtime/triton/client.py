"""The data plane over gRPC: one connection, encoded headers, no work per call that can be done once.

Source: KServe Open Inference Protocol v2 (gRPC) and Triton's `ModelStreamInfer` extension.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from argosy.core.deadline import NEVER, Deadline
from argosy.core.errors import ArgosyError, EngineCrashed, InvalidRequest
from argosy.runtime.classification import wanted_classes
from argosy.runtime.contract import InferRequest, InferResponse
from argosy.runtime.failures import crashed, deadline_exceeded, not_ready, not_up
from argosy.runtime.inspection import plain
from argosy.runtime.model_config import ModelConfig, from_message
from argosy.runtime.triton.cancellation import CALL, can_cancel
from argosy.runtime.triton.channel import Call, Channel, RpcError, expire_after, method
from argosy.runtime.triton.errors import is_own, translate
from argosy.runtime.triton.streams import StreamPool
from argosy.runtime.triton.wire import decode_response, encode_cancellation, encode_request

SERVICE = "/inference.GRPCInferenceService/"

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    # Tensors are bounded by admission, not by the wire.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Channels to two generations of the server must never share a connection.
    ("grpc.use_local_subchannel_pool", 1),
    # A local socket tells at once when its peer dies: pings would only cost time.
    ("grpc.keepalive_time_ms", 2**31 - 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.optimization_target_latency", 1),
)

OnSuspect = Callable[[str, str, str], None]
"""Told model, reason and address when a call met a dead or stalled engine."""


INFER = method(SERVICE, "ModelInfer")
STREAM = method(SERVICE, "ModelStreamInfer")
CONFIG = method(SERVICE, "ModelConfig")
METADATA = method(SERVICE, "ModelMetadata")
STATISTICS = method(SERVICE, "ModelStatistics")
SERVER_METADATA = method(SERVICE, "ServerMetadata")
_ASK_SECONDS = 5.0


class _Connection:
    """One channel and its idle streams; belongs to one generation of the server.

    Attributes:
        configs: by model and version, as they were when last asked for; a model may have been reloaded since.
    """

    __slots__ = ("_leaving", "address", "channel", "configs", "streams")

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = Channel(address)
        self.configs: dict[tuple[str, str], ModelConfig] = {}
        self.streams: StreamPool[Call] = StreamPool(partial(self.channel.open, STREAM))
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def closed(self) -> bool:
        """Whether we closed it, rather than the server."""
        return self.channel.closed

    def leave(self, model: str, call: Call, farewell: Callable[[], bytes] | None) -> None:
        """Cancel the request that the stream carries, and keep the stream when that goes well.

        Args:
            model: that the request is for.
            call: its request has not ended.
            farewell: makes the message that cancels it; None resets the stream.
        """
        if farewell is None or call.done():
            call.cancel()
            return
        task = asyncio.get_running_loop().create_task(self._see_off(model, call, farewell()))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def settle(self) -> None:
        """Wait until every stream that was left is free again, or reset."""
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _see_off(self, model: str, call: Call, farewell: bytes) -> None:
        clean = False
        try:
            call.write(farewell)
            async with asyncio.timeout(_LEAVE_SECONDS):
                await _read_ends(call)
            clean = True
        except _StreamError:
            await _finish(call)
        except (RpcError, TimeoutError):
            pass
        finally:
            self.streams.give_back(model, call) if clean else call.cancel()

    def close(self) -> None:
        for task in self._leaving:
            task.cancel()
        self.streams.close()
        self.channel.close()


class TritonClient:
    """`InferenceClient` for Triton.

    Args:
        address: `unix:/…` or `host:port`; empty until `connect`, and calls are `ModelNotReady` until then.
        on_suspect: called with model, reason and address when a call ends with `EngineCrashed`; not for calls cut
            off by `connect` or `close`. Must not raise.
    """

    def __init__(self, address: str = "", *, on_suspect: OnSuspect | None = None) -> None:
        self._address = address
        self._connection: _Connection | None = None
        self._on_suspect = on_suspect
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count()

    async def connect(self, address: str) -> None:
        """Use the runtime at `address` from now on; calls on the old connection end with `EngineCrashed`."""
        if address == self._address and self._connection is not None:
            return
        old, self._connection, self._address = self._connection, None, address
        if old is not None:
            old.close()

    async def close(self) -> None:
        """Drop the connection; idempotent."""
        await self.connect("")

    async def release(self) -> None:
        """End the streams that are kept for later requests.

        In Triton 2.51 each holds the model of its last request, which cannot be unloaded before.
        """
        if self._connection is not None:
            self._connection.configs.clear()
            await self._connection.settle()
            await asyncio.gather(*(_finish(call) for call in self._connection.streams.take_idle()))

    async def infer(self, request: InferRequest) -> InferResponse:
        """One request, one answer. See the guarantees of the contract."""
        connection = self._connection or self._open(request.model)
        message = encode_request(request)
        if request.output_parameters and wanted_classes(request):
            # Asked to classify what cannot be, Triton 2.51 would end.
            (await self._config(connection, request)).check(request)
        try:
            answer = await connection.channel.unary(INFER, message.SerializeToString(), _timeout(request.deadline))
        except RpcError as error:
            raise await self._error(connection, error.code, error.text, request) from None
        return decode_response(pb.ModelInferResponse.FromString(answer), raw=request.raw)

    async def stream(self, request: InferRequest) -> AsyncIterator[InferResponse]:
        """One request, any number of answers, over a gRPC stream that carries nothing else meanwhile.

        Closing the iterator cancels the request (see `cancellation`), and so does its deadline. After the final answer
        the stream is kept for the next request. A model with one answer is asked without a stream.
        """
        connection = self._connection or self._open(request.model)
        config = await self._check_stream(connection, request)
        if not config.decoupled:
            yield await self.infer(request)
            return
        message = encode_request(request)
        message.parameters[_EMPTY_FINAL].bool_param = True
        farewell = self._farewell(message, request) if can_cancel(config.backend) else None
        timeout = _timeout(request.deadline)
        call: Call | None = None
        timer: asyncio.TimerHandle | None = None
        clean = False
        try:
            call = await connection.streams.take(request.model)
            # The stream outlives the request, so the deadline is the request's own.
            timer = None if timeout is None else expire_after(call.interrupt if farewell else call.cancel, timeout)
            call.write(message.SerializeToString())
            while True:
                response = _response(await call.read(), raw=request.raw)
                clean = response.final
                yield response
                if clean:
                    return
        except RpcError as error:
            raise await self._error(connection, error.code, error.text, request) from None
        except _StreamError as error:
            if call is not None:
                await _finish(call)
            raise await self._error(connection, None, error.text, request) from None
        finally:
            if timer is not None:
                timer.cancel()
            if call is not None:
                call.interrupt(None)
                connection.streams.give_back(request.model, call) if clean else connection.leave(
                    request.model, call, farewell
                )

    def _farewell(self, message: Any, request: InferRequest) -> Callable[[], bytes]:
        """Name the call in its message; what cancels it is made when it is needed."""
        name = f"{self._prefix}{next(self._numbers)}"
        message.parameters[CALL].string_param = name

        def farewell() -> bytes:
            cancellation = encode_cancellation(request, name)
            cancellation.parameters[_EMPTY_FINAL].bool_param = True
            return bytes(cancellation.SerializeToString())

        return farewell

    async def server_metadata(self) -> Mapping[str, Any]:
        """KServe v2 server metadata: `name`, `version`, `extensions`."""
        return plain(await self._ask(SERVER_METADATA, pb.ServerMetadataRequest(), pb.ServerMetadataResponse))

    async def model_metadata(self, model: str, version: str = "") -> Mapping[str, Any]:
        """KServe v2 model metadata."""
        asked = pb.ModelMetadataRequest(name=model, version=version)
        return plain(await self._ask(METADATA, asked, pb.ModelMetadataResponse, model))

    async def model_config(self, model: str, version: str = "") -> Mapping[str, Any]:
        """Triton's model configuration, as Triton completed it."""
        asked = pb.ModelConfigRequest(name=model, version=version)
        return plain((await self._ask(CONFIG, asked, pb.ModelConfigResponse, model)).config)

    async def model_statistics(self, model: str = "", version: str = "") -> Mapping[str, Any]:
        """Triton's statistics extension."""
        asked = pb.ModelStatisticsRequest(name=model, version=version)
        try:
            return plain(await self._ask(STATISTICS, asked, pb.ModelStatisticsResponse, model))
        except InvalidRequest:
            # Triton says only that there are none; its metadata tells why.
            await self.model_metadata(model, version)
            raise

    async def _check_stream(self, connection: _Connection, request: InferRequest) -> ModelConfig:
        """The model's config; refuse here what Triton would refuse inside of the stream.

        Triton 2.51 now and then loses such a refusal when many streams are in use: the request is never answered.

        Raises:
            InvalidRequest: as `ModelConfig.check`.
            NotFound, Unavailable, EngineCrashed: the model cannot be asked for its config.
        """
        known = connection.configs.get((request.model, request.version))
        if known is not None and not request.output_parameters:
            try:
                known.check(request)
            except InvalidRequest:
                # Unless the model has changed.
                pass
            else:
                return known
        config = await self._config(connection, request)
        config.check(request)
        return config

    async def _config(self, connection: _Connection, request: InferRequest) -> ModelConfig:
        """The model's config as it is now."""
        asked = pb.ModelConfigRequest(name=request.model, version=request.version).SerializeToString()
        seconds = _timeout(request.deadline)
        within = _ASK_SECONDS if seconds is None else min(_ASK_SECONDS, seconds)
        try:
            answer = await connection.channel.unary(CONFIG, asked, within)
        except RpcError as error:
            raise await self._error(connection, error.code, error.text, request) from None
        config = from_message(pb.ModelConfigResponse.FromString(answer).config)
        connection.configs[request.model, request.version] = config
        return config

    async def _ask(self, headers: bytes, message: Any, answer: Any, model: str = "") -> Any:
        """One question about the server, or about `model`.

        Raises:
            Unavailable: there is nobody to ask.
        """
        if not self._address:
            raise not_ready(model) if model else not_up()
        connection = self._connection or self._open(model)
        try:
            data = await connection.channel.unary(headers, message.SerializeToString(), _ASK_SECONDS)
        except RpcError as error:
            reason = translate(error.code, error.text, model, NEVER)
            raise (not_up() if not model or isinstance(reason, EngineCrashed) else reason) from None
        return answer.FromString(data)

    def _open(self, model: str) -> _Connection:
        if not self._address:
            raise not_ready(model)
        self._connection = _Connection(self._address)
        return self._connection

    async def _error(
        self, connection: _Connection, code: grpc.StatusCode | None, text: str | None, request: InferRequest
    ) -> ArgosyError:
        if connection.closed:
            return crashed(request.model)
        error = translate(code, text or "", request.model, request.deadline)
        if self._on_suspect is not None and isinstance(error, EngineCrashed):
            self._on_suspect(request.model, _reason(code), connection.address)
        if type(error) is InvalidRequest and not is_own(text or ""):
            return await _explain(connection, error, request)
        return error


_EMPTY_FINAL = "triton_enable_empty_final_response"
_FINAL = "triton_final_response"
_FINISH_SECONDS = 1.0
_LEAVE_SECONDS = 10.0
_EXPLAIN_SECONDS = 0.5
UNHEALTHY = "model process unhealthy"
DISCONNECTED = "connection lost"


def _reason(code: grpc.StatusCode | None) -> str:
    """Why the call is suspicious: a dead connection may be old news, an unhealthy model process is not."""
    return DISCONNECTED if code is grpc.StatusCode.UNAVAILABLE else UNHEALTHY


class _StreamError(Exception):
    """An error that came as a message of the stream."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def _explain(connection: _Connection, error: InvalidRequest, request: InferRequest) -> InvalidRequest:
    """Triton's refusal in our words, naming the tensor, where the model's config shows what is wrong."""
    try:
        asked = pb.ModelConfigRequest(name=request.model).SerializeToString()
        answer = await connection.channel.unary(CONFIG, asked, _EXPLAIN_SECONDS)
        from_message(pb.ModelConfigResponse.FromString(answer).config).check(request)
    except InvalidRequest as better:
        return better
    except RpcError:
        pass
    return error


def _is_final(item: Any) -> bool:
    parameters = item.infer_response.parameters
    return _FINAL in parameters and parameters[_FINAL].bool_param


def _response(data: bytes | None, *, raw: bool) -> InferResponse:
    if data is None:
        raise _StreamError("Stub process is not healthy")
    item = pb.ModelStreamInferResponse.FromString(data)
    if item.error_message:
        raise _StreamError(item.error_message)
    message = item.infer_response
    final = _is_final(item)
    message.parameters.pop(_FINAL, None)
    return decode_response(message, final=final, raw=raw)


async def _read_ends(call: Call) -> None:
    """Read until both the cancelled request and the one that cancels it have ended.

    Raises:
        _StreamError: one of them ended with an error.
        RpcError: the stream ended.
    """
    ends = 0
    while ends < 2:
        ends += _response(await call.read(), raw=True).final


async def _finish(call: Call) -> None:
    """Let Triton end a stream whose answer is complete.

    Resetting it in this moment loses the request inside of Triton 2.51: it counts as in flight for ever, and its
    model can no longer be unloaded.
    """
    call.done_writing()
    with contextlib.suppress(RpcError, TimeoutError):
        async with asyncio.timeout(_FINISH_SECONDS):
            while await call.read() is not None:
                pass


def _timeout(deadline: Deadline) -> float | None:
    """Seconds left for the call.

    Raises:
        DeadlineExceeded: nothing is left; the request is never sent.
    """
    if deadline.at == math.inf:
        return None
    remaining = deadline.remaining
    if remaining <= 0:
        raise deadline_exceeded()
    return remaining
