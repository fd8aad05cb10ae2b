"""A whole gateway in this process, over engines that are small and exact, for every test of the wire."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import uvicorn

from argosy.api.gateway import Gateway, GatewayParts, create_gateway
from argosy.api.http.exchange import HttpOptions
from argosy.core.errors import ArgosyError, InputTooLong
from argosy.core.models import GenerateSpec, ModelSpec, Pooling, Task, TextSpec
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.core.tensors import Tensor
from argosy.runtime.contract import InferRequest, InferResponse
from argosy.runtime.memory import MemoryRuntime
from argosy.server.access.anyone import OpenAccess
from argosy.server.access.contract import Authenticator
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.admission.lane import Limits
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.repository import ModelRepository
from argosy.server.dataplane.encode import BatchOptions
from argosy.server.dataplane.plane import DataPlane
from argosy.server.jobs.contract import Jobs
from argosy.server.text.templates import ChatTemplates
from argosy.server.text.tokenize import TextTokenizers
from argosy.store.entries import ModelEntry
from argosy.telemetry.access import AccessLog
from argosy.telemetry.metrics import Metrics
from tests.suites.echo_models import echo_chat
from tests.suites.in_thread import served

TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
DIMENSIONS = 8


class Encoders:
    """An `InferenceClient` that encodes by arithmetic, hands generations to `generation`, and records every call.

    A text's tokens are its words; its embedding points where its hash says; a passage scores by the words it
    shares with the query; a text is positive when it says `good`.

    Attributes:
        hosted: names of the models whose calls `generation` answers, and not the arithmetic here.
        calls: every request, in order of arrival.
        hold: while set and not fired, encoder calls wait for it.
        failures: error by model, raised by every call to it.
        running: calls under way.
    """

    def __init__(self, generation: MemoryRuntime | None = None, hosted: Collection[str] = ()) -> None:
        self.generation = generation
        self.hosted = frozenset(hosted)
        self.calls: list[InferRequest] = []
        self.hold: asyncio.Event | None = None
        self.failures: dict[str, ArgosyError] = {}
        self.running = 0

    async def infer(self, request: InferRequest) -> InferResponse:
        if request.model in self.hosted:
            return await self._pass_on(request)
        self.calls.append(request)
        self.running += 1
        try:
            if self.hold is not None:
                async with asyncio.timeout(min(60, request.deadline.remaining)):
                    await self.hold.wait()
            if request.model in self.failures:
                raise self.failures[request.model]
            return InferResponse(_encode(request), model=request.model)
        finally:
            self.running -= 1

    async def stream(self, request: InferRequest) -> AsyncIterator[InferResponse]:
        self.calls.append(request)
        self.running += 1
        try:
            if request.model in self.failures:
                raise self.failures[request.model]
            assert self.generation is not None
            async with contextlib.aclosing(self.generation.stream(request)) as answers:
                async for answer in answers:
                    yield answer
        finally:
            self.running -= 1

    async def _pass_on(self, request: InferRequest) -> InferResponse:
        assert self.generation is not None
        self.calls.append(request)
        if request.model in self.failures:
            raise self.failures[request.model]
        return await self.generation.infer(request)

    async def server_metadata(self) -> Mapping[str, Any]:
        assert self.generation is not None
        return await self.generation.server_metadata()

    async def model_metadata(self, model: str, version: str = "") -> Mapping[str, Any]:
        assert self.generation is not None
        return await self.generation.model_metadata(model, version)

    async def model_config(self, model: str, version: str = "") -> Mapping[str, Any]:
        assert self.generation is not None
        return await self.generation.model_config(model, version)

    async def model_statistics(self, model: str = "", version: str = "") -> Mapping[str, Any]:
        assert self.generation is not None
        return await self.generation.model_statistics(model, version)

    async def connect(self, address: str) -> None:
        return

    async def close(self) -> None:
        return


@dataclass
class Server:
    """A gateway and the parts a test may want to touch."""

    app: Gateway
    client: Encoders
    board: StatusBoard
    admission: Admission
    drain: Drain
    metrics: Metrics
    templates: ChatTemplates
    runtime: MemoryRuntime
    catalog: Catalog
    status: RuntimeStatus = field(default_factory=lambda: RuntimeStatus(RuntimeState.READY))

    def set_state(self, model: str, state: ModelState, reason: str = "") -> None:
        """Report another state for one model."""
        models = {**self.board.status.models, model: ModelStatus(model, state, reason)}
        self.board.update(RuntimeStatus(RuntimeState.READY, models=models))


@contextlib.asynccontextmanager
async def gateway(
    store: Path,
    *,
    authenticator: Authenticator | None = None,
    limits: Limits | None = None,
    options: HttpOptions | None = None,
    chat: Mapping[str, str] | None = None,
    batches: BatchOptions | None = None,
    context_length: int = 1000,
    templates_loaded: bool = True,
    extra_metrics: Callable[[], Awaitable[bytes]] | None = None,
    further: Sequence[ModelEntry] = (),
    repository: ModelRepository | None = None,
    jobs: Jobs | None = None,
) -> AsyncIterator[Server]:
    """A ready gateway serving `embedder`, `ranker`, `sentiment` and the echo language model `parrot`.

    Args:
        chat: parameters of the echo engine.
        templates_loaded: whether chat works; without it no rendering process is started.
        further: entries of the echo engine to serve as well.
        repository: what takes orders to load and unload.
        jobs: what takes jobs.
    """
    parrot = _with_template(echo_chat(store, parameters=chat, context_length=context_length))
    entries = [*encoder_entries(store), parrot, *further]
    runtime = MemoryRuntime([parrot, *further])
    await runtime.start()
    client = Encoders(runtime, [entry.name for entry in further])
    metrics, drain, templates = Metrics(), Drain(), ChatTemplates()
    board = StatusBoard(metrics.runtime_changed)
    board.update(_all_ready(entries))
    text_tokenizers = TextTokenizers()
    text_tokenizers.replace(entries)
    admission = Admission(metrics, limits)
    if templates_loaded:
        await templates.start(entries)
    catalog = Catalog(entries, {"gpt-parrot": "parrot"})
    parts = GatewayParts(
        catalog=catalog,
        board=board,
        plane=DataPlane.over(client, board, admission, metrics, batches=batches),
        templates=templates,
        tokenizers=text_tokenizers,
        authenticator=authenticator or OpenAccess(),
        admission=admission,
        drain=drain,
        metrics=metrics,
        release="1.2.3",
        access_log=AccessLog(),
        options=options or HttpOptions(),
        extra_metrics=extra_metrics,
        repository=repository,
        jobs=jobs,
    )
    try:
        yield Server(create_gateway(parts), client, board, admission, drain, metrics, templates, runtime, catalog)
    finally:
        text_tokenizers.stop()
        await templates.stop()
        await runtime.stop()


@contextlib.asynccontextmanager
async def listening(server: Server, *, send_buffer: int | None = None) -> AsyncIterator[str]:
    """Serve the gateway on a loopback port, in this event loop, by a real uvicorn.

    Args:
        send_buffer: bytes the kernel keeps for a client that does not read.

    Yields:
        The base URL without a path.
    """
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        if send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        uvicorn_server = _Uvicorn(
            uvicorn.Config(
                server.app,
                http="httptools",
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=2,
            )
        )
        task = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(20):
                while not uvicorn_server.started:
                    await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            uvicorn_server.should_exit = True
            await task


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def in_thread(store: Path, **options: Any) -> AbstractContextManager[str]:
    """The address of a listening gateway in a thread of its own; `options` are those of `gateway`."""

    @contextlib.asynccontextmanager
    async def addressed() -> AsyncIterator[str]:
        async with gateway(store, **options) as server, listening(server) as url:
            yield url

    return served(addressed())


def encoder_entries(store: Path) -> list[ModelEntry]:
    """Entries of the three encoder tasks; nothing is read from disk for them."""
    text = TextSpec(max_tokens=32, dimensions=DIMENSIONS)
    specs = [
        ModelSpec("embedder", Task.EMBED, "echo", text=text),
        ModelSpec("ranker", Task.RANK, "echo", text=TextSpec(max_tokens=32, pooling=Pooling.NONE, pair=True)),
        ModelSpec("sentiment", Task.CLASSIFY, "echo", text=text, labels=("negative", "positive")),
    ]
    return [ModelEntry(spec, store / spec.name, (1,)) for spec in specs]


def _with_template(entry: ModelEntry) -> ModelEntry:
    (entry.newest / "chat.jinja").write_text(TEMPLATE, encoding="utf-8")
    _write_tokenizer(entry.newest / "tokenizer.json")
    generate = GenerateSpec(context_length=entry.spec.generate.context_length, chat_template="chat.jinja")
    spec = ModelSpec(entry.name, Task.GENERATE, "echo", generate=generate)
    return ModelEntry(spec, entry.directory, entry.versions)


def _write_tokenizer(path: Path) -> None:
    """One token a word, `<s>` in front of a text; the echo engine itself reads no file."""
    words = ("<unk>", "<s>", "hello", "world", "user:", "assistant:", "system:")
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.save(str(path))


def _all_ready(entries: Sequence[ModelEntry]) -> RuntimeStatus:
    models = {entry.name: ModelStatus(entry.name, ModelState.READY) for entry in entries}
    return RuntimeStatus(RuntimeState.READY, generation=1, models=models)


def _encode(request: InferRequest) -> dict[str, Tensor]:
    if "query" in request.inputs:
        pairs = list(zip(_words(request, "query"), _words(request, "passage"), strict=True))
        _check_length([query + passage for query, passage in pairs], request, "passage")
        logits = [[len(set(query) & set(passage))] for query, passage in pairs]
        tokens = [[len(query) + len(passage)] for query, passage in pairs]
        return {"logit": np.array(logits, np.float32), "tokens": np.array(tokens, np.int32)}
    if "token_ids" in request.inputs:
        rows = [[f"#{token}" for token in row if token >= 0] for row in request.inputs["token_ids"].tolist()]
    else:
        rows = _words(request, "text")
    _check_length(rows, request)
    tokens_tensor = np.array([[len(row)] for row in rows], np.int32)
    if request.model == "sentiment":
        positive = [0.9 if "good" in row else 0.2 for row in rows]
        return {"probabilities": np.array([[1 - p, p] for p in positive], np.float32), "tokens": tokens_tensor}
    return {"embedding": np.array([vector(" ".join(row)) for row in rows]), "tokens": tokens_tensor}


def vector(text: str) -> np.ndarray:
    """The embedding of a text: a unit vector."""
    drawn = np.random.default_rng(list(text.encode())).standard_normal(DIMENSIONS).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def _words(request: InferRequest, name: str) -> list[list[str]]:
    return [value.decode().split() for value in request.inputs[name].ravel()]


def _check_length(rows: list[list[str]], request: InferRequest, param: str = "text") -> None:
    longest = max(map(len, rows))
    if longest > 32 and request.parameters.get("truncate", "NONE") == "NONE":
        raise InputTooLong(f"Input length {longest} exceeds maximum allowed token size 32.", param=param)
