"""Hosts a `GenerationEngine`: many answers at once, each a stream of responses (decoupled models).

Three threads meet here. Triton's calls `execute`, which reads the inputs (they die when it returns) and submits. The
engine's calls `emit`, which only puts the chunk on a queue, so that a step never waits for a response's trip to Triton
(0.1 to 0.3 ms). The sender thread sends; when chunks of one answer have piled up it sends them as one.

Our own clients cancel by a request that names another (see `cancellation`). Of all others the sender thread asks
whether they have left, and nobody else does: Triton 2.51 frees a request with its final response, and asking about it
while that response is on its way crashes the server.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from argosy.core.errors import ArgosyError
from argosy.core.tensors import Tensor
from argosy.engines.contract import Chunk, GenerationEngine
from argosy.runtime.requests import decode_generation, encode_chunk
from argosy.runtime.triton.cancellation import CALL, CANCEL
from argosy.runtime.triton.host_errors import triton_error, unexpected
from argosy.runtime.triton.host_metrics import EngineGauges
from argosy.runtime.triton.host_tensors import decode_parameters

_CANCEL_POLL_SECONDS = 0.05
"""How often each running request is asked whether its client left; one question costs about 5 us of processor."""
_GAUGES_SECONDS = 0.5
_JOIN_SECONDS = 5.0
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(slots=True, eq=False)
class _Stream:
    """One request's way back to its client."""

    sender: Any
    outputs: frozenset[str]
    handle: int = 0
    counts: bool = False
    call: str = ""


class GenerationHost:
    """Translates between Triton's decoupled requests and the engine's generations."""

    def __init__(self, pb_utils: Any, engine: GenerationEngine, labels: Mapping[str, str]) -> None:
        self._pb_utils = pb_utils
        self._engine = engine
        self._gauges = EngineGauges(pb_utils, engine, labels)
        self._streams: set[_Stream] = set()
        self._chunks: queue.SimpleQueue[tuple[_Stream, Chunk] | None] = queue.SimpleQueue()
        # Triton frees what `is_cancelled` looks at when the last response is sent: the two must not overlap.
        self._ending = threading.Lock()
        self._stopping = threading.Event()
        self._next_poll = self._next_refresh = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="argosy-send", daemon=True)
        self._thread.start()

    def execute(self, requests: Sequence[Any]) -> None:
        """Submit every request; the responses follow from the sender thread."""
        for request in requests:
            parameters = decode_parameters(request.parameters())
            if CANCEL in parameters:
                self._cancel(str(parameters[CANCEL]), request.get_response_sender())
                continue
            stream = _Stream(request.get_response_sender(), frozenset(request.requested_output_names()))
            self._streams.add(stream)
            try:
                self._submit(request, stream)
                if CALL in parameters:
                    stream.call = str(parameters[CALL])
            except ArgosyError as error:
                self._chunks.put((stream, Chunk(error=error)))
            except Exception as error:  # noqa: BLE001 - an exception here would end the stub
                self._chunks.put((stream, Chunk(error=unexpected(error))))

    def stop(self) -> None:
        """Stop the engine, which ends every generation; send their ends; end the threads."""
        self._engine.stop()
        self._stopping.set()
        self._chunks.put(None)
        self._thread.join(_JOIN_SECONDS)
        self._gauges.close()

    def _cancel(self, call: str, sender: Any) -> None:
        """Cancel the generation of that name, if it still runs, and end the request that asked for it."""
        for stream in tuple(self._streams):
            if stream.call == call:
                self._engine.cancel(stream.handle)
        try:
            sender.send(flags=self._pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        except Exception as error:  # noqa: BLE001 - the stub raises its own types; an escape would end it
            unexpected(error)

    def _submit(self, request: Any, stream: _Stream) -> None:
        inputs = {tensor.name(): _owned(tensor.as_numpy()) for tensor in request.inputs()}
        put = self._chunks.put
        generation = decode_generation(inputs)
        stream.counts = generation.sampling.counts
        stream.handle = self._engine.submit(generation, lambda chunk: put((stream, chunk)))

    def _work(self) -> None:
        """The sender thread; a defect is logged and survived, because an exception in a thread would end the stub."""
        while not self._stopping.is_set() or not self._chunks.empty():
            try:
                self._work_once()
            except Exception as error:  # noqa: BLE001 - see above
                unexpected(error)

    def _work_once(self) -> None:
        """Send what is there, or wait for it until the next look at the clients or the gauges is due."""
        now = time.monotonic()
        due = min(self._next_poll, self._next_refresh) if self._streams else self._next_refresh
        try:
            item = self._chunks.get(timeout=max(0.0, due - now))
        except queue.Empty:
            item = None
        if item is not None:
            for stream, chunk in merge(item, self._waiting()):
                self._send(stream, chunk)
            now = time.monotonic()
        if now >= self._next_poll:
            self._next_poll = now + _CANCEL_POLL_SECONDS
            self._cancel_abandoned()
        if now >= self._next_refresh:
            self._next_refresh = now + _GAUGES_SECONDS
            self._gauges.refresh()

    def _waiting(self) -> list[tuple[_Stream, Chunk]]:
        """Whatever else has piled up; the stop mark goes back for the next round."""
        items = []
        try:
            while (item := self._chunks.get_nowait()) is not None:
                items.append(item)
            self._chunks.put(None)
        except queue.Empty:
            pass
        return items

    def _send(self, stream: _Stream, chunk: Chunk) -> None:
        if stream not in self._streams:
            return
        try:
            if chunk.last:
                self._send_last(stream, chunk)
            else:
                stream.sender.send(self._response(stream, chunk))
        except Exception as error:  # noqa: BLE001 - the stub raises its own types; an escape would end it
            unexpected(error)
            self._streams.discard(stream)
            self._engine.cancel(stream.handle)

    def _send_last(self, stream: _Stream, chunk: Chunk) -> None:
        response = self._response(stream, chunk)
        with self._ending:
            self._streams.discard(stream)
            stream.sender.send(response, flags=self._pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _response(self, stream: _Stream, chunk: Chunk) -> Any:
        pb_utils = self._pb_utils
        if chunk.error is not None:
            # Not as an output: Triton 2.51 crashes where one arrives for a request whose client has just left.
            return pb_utils.InferenceResponse(error=triton_error(pb_utils, chunk.error))
        tensors = encode_chunk(chunk, counts=stream.counts)
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, tensor) for name, tensor in tensors.items() if name in stream.outputs]
        )

    def _cancel_abandoned(self) -> None:
        """Cancel what no client waits for any more."""
        for stream in tuple(self._streams):
            if stream.handle and stream.sender.is_cancelled():
                self._engine.cancel(stream.handle)


def merge(first: tuple[_Key, Chunk], rest: Sequence[tuple[_Key, Chunk]]) -> list[tuple[_Key, Chunk]]:
    """Join the chunks of each stream into one, in order of each stream's first.

    An error stays a chunk of its own, because a response cannot hold both text and error.
    """
    merged: dict[_Key, Chunk] = {}
    ended: list[tuple[_Key, Chunk]] = []
    for stream, chunk in (first, *rest):
        if chunk.error is not None:
            ended.append((stream, chunk))
        elif stream in merged:
            before = merged[stream]
            merged[stream] = replace(chunk, text=before.text + chunk.text, logprobs=before.logprobs + chunk.logprobs)
        else:
            merged[stream] = chunk
    return [*merged.items(), *ended]


def _owned(tensor: Tensor) -> Tensor:
    """A copy where the array is a view of shared memory that dies when `execute` returns."""
    return tensor if tensor.dtype == np.object_ else tensor.copy()
