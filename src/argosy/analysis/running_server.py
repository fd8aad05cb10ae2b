"""An Argosy that runs already: told to load a model again, and measured over its own HTTP port.

Source: KServe v2 REST, with the binary tensor data and model repository extensions; Triton's generate extension.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httptools
import orjson

from argosy.analysis.load.closed_loop import Answered, LoadFailed, LoopOptions, Usage, measure_level
from argosy.analysis.load.inputs import SAMPLING, Inputs
from argosy.analysis.rig import TrialFailed
from argosy.analysis.trial import Level
from argosy.core.errors import InvalidSetting, RuntimeFailure
from argosy.core.models import ModelSpec, Task
from argosy.core.tensors import Tensor, raw_of

_CONNECT_SECONDS = 10.0
_PIECE = 1 << 16


class RunningServer:
    """Speaks HTTP/1.1 over as many kept connections as there are callers at once.

    Args:
        url: `http://host:port` or `https://…`, without a path.
        key: an operator's API key, or empty where there are no keys.
        load_timeout: seconds that a load may take.
        request_timeout: seconds that any other request may take.

    Raises:
        InvalidSetting: the URL cannot be used.
    """

    def __init__(self, url: str, key: str = "", *, load_timeout: float = 120.0, request_timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise InvalidSetting(f"--url is {url!r}; write http://host:port.")
        self._host, self._url = parts.hostname, url.rstrip("/")
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._load_timeout = load_timeout
        self._request_timeout = request_timeout
        self._head = f"Host: {parts.netloc.rpartition('@')[2]}\r\n" + (
            f"Authorization: Bearer {key}\r\n" if key else ""
        )
        self._idle: list[_Connection] = []

    async def reload(self, model: str) -> None:
        """Have the server load the model again; returns when it answers.

        Raises:
            RuntimeFailure: the server refused, could not load it, or does not answer.
        """
        await self.post(f"/v2/repository/models/{quote(model)}/load", b"{}", {}, self._load_timeout)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], within: float | None = None) -> bytes:
        """The body of a good answer.

        Raises:
            RuntimeFailure: any other answer, or none within `within` seconds (`request_timeout` without one).
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\n{self._head}{lines}Content-Length: {len(body)}\r\n\r\n".encode()
        try:
            async with asyncio.timeout(within or self._request_timeout):
                status, answer = await self._exchange(head + body)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, httptools.HttpParserError) as error:
            raise RuntimeFailure(f"{self._url} does not answer: {error or type(error).__name__}.") from error
        if status >= 300:
            raise RuntimeFailure(f"{self._url}{path} answered {status}: {_message(answer)}")
        return answer

    async def close(self) -> None:
        """Close every connection; idempotent."""
        while self._idle:
            await self._idle.pop().close()

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        # A kept connection may have been closed by the server meanwhile; a new one was not.
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return await self._over(connection, request)
            await connection.close()
        async with asyncio.timeout(_CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        return await self._over(_Connection(reader, writer), request)

    async def _over(self, connection: _Connection, request: bytes) -> tuple[int, bytes]:
        try:
            answer = await connection.exchange(request)
        except BaseException:
            await connection.close()
            raise
        if connection.usable:
            self._idle.append(connection)
        else:
            await connection.close()
        return answer


@dataclass(slots=True)
class ServerGauge:
    """`Gauge` for what a running server serves: the config it is asked about is the one in the store."""

    server: RunningServer
    spec: ModelSpec
    inputs: Inputs
    concurrency: int
    options: LoopOptions

    async def measure(self, config: str) -> Level:  # noqa: ARG002 - the server reads the store, not us
        """See `Gauge`; processor time and memory of somebody else's processes stay 0."""
        send = self._generate if self.spec.task is Task.GENERATE else self._infer
        try:
            return await measure_level(send, self.concurrency, self.options, Usage)
        except LoadFailed as error:
            raise TrialFailed(str(error)) from error

    async def _infer(self, number: int) -> Answered:
        head, data = _binary(self.inputs.at(number))
        headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
        await self.server.post(f"/v2/models/{quote(self.spec.name)}/infer", head + data, headers)
        return Answered()

    async def _generate(self, number: int) -> Answered:
        began = time.perf_counter()
        path = f"/v2/models/{quote(self.spec.name)}/generate"
        answer = await self.server.post(path, _flat(self.inputs.at(number)), {"Content-Type": "application/json"})
        tokens = orjson.loads(answer).get("num_output_tokens", 1)
        # The answer comes whole, so its first piece is its last.
        return Answered(time.perf_counter() - began, float(tokens))


class _Connection:
    """One connection that carries one exchange at a time; also httptools' callbacks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser: Any = None
        self._pieces: list[bytes] = []
        self._complete = False
        self._keep = True

    @property
    def usable(self) -> bool:
        """Whether another exchange can follow."""
        return self._keep and not self._reader.at_eof() and not self._writer.is_closing()

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._pieces, self._complete = [], False
        parser = self._parser = httptools.HttpResponseParser(self)
        self._writer.write(request)
        await self._writer.drain()
        while not self._complete:
            data = await self._reader.read(_PIECE)
            if not data:
                raise asyncio.IncompleteReadError(b"", None)
            parser.feed_data(data)
        return parser.get_status_code(), b"".join(self._pieces)

    async def close(self) -> None:
        """Close it, whatever the other side does."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_headers_complete(self) -> None:
        # Only here: at the end of a message the parser has forgotten its headers.
        self._keep = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self._complete = True


def _binary(inputs: Mapping[str, Tensor]) -> tuple[bytes, bytes]:
    """Header and data of an inference request with binary tensors in both directions."""
    entries, pieces = [], []
    for name, tensor in inputs.items():
        raw = raw_of(tensor, name)
        pieces.append(bytes(raw.data))
        size = {"binary_data_size": len(raw.data)}
        entries.append({"name": name, "datatype": raw.datatype, "shape": list(raw.shape), "parameters": size})
    head = {"inputs": entries, "parameters": {"binary_data_output": True}}
    return orjson.dumps(head), b"".join(pieces)


def _flat(inputs: Mapping[str, Tensor]) -> bytes:
    """A generate request: the text, and the sampling fields as its parameters."""
    body: dict[str, Any] = {
        name: tensor.ravel()[0].decode() if tensor.dtype == object else tensor.ravel().tolist()
        for name, tensor in inputs.items()
    }
    sampling = body.pop(SAMPLING, "{}")
    return orjson.dumps({**body, "parameters": json.loads(sampling)})


def _message(answer: bytes) -> str:
    """The words of an error, whichever dialect it is in."""
    try:
        error = orjson.loads(answer)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return answer[:300].decode(errors="replace")
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
