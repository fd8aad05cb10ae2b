"""Texts to token ids and back, for clients that count before they ask.

The engines tokenise for themselves. What is here reads the same `tokenizer.json` when a client asks for it, in threads
of its own, so that a long text holds up neither the gateway nor the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tokenizers

from argosy.core.deadline import Deadline
from argosy.core.errors import DeadlineExceeded, EngineError, InvalidRequest, Overloaded
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.bounds import bound_texts
from argosy.store.entries import ModelEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenizeOptions:
    """Bounds on tokenising.

    Attributes:
        threads: texts read at the same time.
        waiting: requests under way; more are refused at once.
        seconds: longest wait for one answer.
    """

    threads: int = 2
    waiting: int = 64
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a text, and the vocabulary's spelling of each."""

    ids: list[int]
    tokens: list[str]


class TextTokenizers:
    """The tokenizers of the served models, each loaded when it is first asked for.

    Guarantees: nothing here blocks the event loop; no more than `threads` texts are read at once, also after their
    clients have left; a request ends within `seconds`.
    """

    def __init__(self, options: TokenizeOptions | None = None) -> None:
        self._options = options or TokenizeOptions()
        self._paths: dict[str, Path | None] = {}
        self._loaded: dict[Path, Any] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._jobs: set[Future[Any]] = set()

    def replace(self, entries: Iterable[ModelEntry]) -> None:
        """Serve the tokenizers of these entries from now on; those of others are dropped."""
        known = {entry.name: entry for entry in entries}
        self._paths = {name: _file(entry, known) for name, entry in known.items()}
        kept = set(self._paths.values())
        self._loaded = {path: loaded for path, loaded in self._loaded.items() if path in kept}

    async def encode(
        self, model: ServedModel, text: str, *, add_special_tokens: bool, deadline: Deadline, param: str = "prompt"
    ) -> Encoded:
        """The token ids of `text`, not cut.

        Raises:
            InvalidRequest: the model's tokenizer is not to be had here.
            InputTooLong: the text is far longer than the model could ever read.
            Overloaded: too many texts are being read.
            DeadlineExceeded: it took too long.
        """
        path = self._path(model)
        bound_texts([text], model, param)

        def read() -> Encoded:
            # The batch form lets other threads run; the single one does not.
            encoding = self._tokenizer(path).encode_batch([text], add_special_tokens=add_special_tokens)[0]
            return Encoded(encoding.ids, encoding.tokens)

        return await self._run(read, deadline)

    async def decode(self, model: ServedModel, ids: Sequence[int], *, deadline: Deadline) -> str:
        """The text of token ids, special tokens spelled out.

        Raises:
            InvalidRequest: an id that the vocabulary lacks, or as `encode`.
            Overloaded, DeadlineExceeded: as `encode`.
        """
        path = self._path(model)

        def write() -> str:
            tokenizer = self._tokenizer(path)
            strange = next((number for number in set(ids) if tokenizer.id_to_token(number) is None), None)
            if strange is not None:
                raise InvalidRequest(
                    f"'tokens' holds {strange}, which the vocabulary of model '{model.name}' lacks.", param="tokens"
                )
            return str(tokenizer.decode(list(ids), skip_special_tokens=False))

        return await self._run(write, deadline)

    def stop(self) -> None:
        """Drop everything; a text that is being read is read to its end. Idempotent."""
        executor, self._executor = self._executor, None
        self._loaded = {}
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _path(self, model: ServedModel) -> Path:
        path = self._paths.get(model.root)
        if path is None:
            raise InvalidRequest(
                f"The tokenizer of model '{model.name}' is inside its engine and cannot be asked here; only models "
                "with a tokenizer.json can. Send the text to the model itself: its answer counts the tokens.",
                param="model",
            )
        return path

    def _tokenizer(self, path: Path) -> Any:
        loaded = self._loaded.get(path)
        if loaded is None:
            try:
                loaded = tokenizers.Tokenizer.from_file(str(path))
            except Exception as error:
                raise EngineError("The model's tokenizer cannot be read. The server's log has the cause.") from error
            # A file may carry training-time settings.
            loaded.no_truncation()
            loaded.no_padding()
            self._loaded[path] = loaded
        return loaded

    async def _run(self, work: Callable[[], T], deadline: Deadline) -> T:
        # A job counts until its thread is done, which may be long after its client has left.
        self._jobs = {job for job in self._jobs if not job.done()}
        if len(self._jobs) >= self._options.waiting:
            raise Overloaded("Too many texts are being tokenised. Try again shortly.")
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._options.threads, thread_name_prefix="tokenize")
        seconds = min(self._options.seconds, deadline.remaining)
        job = self._executor.submit(work)
        self._jobs.add(job)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(job)
        except TimeoutError:
            raise DeadlineExceeded(f"Tokenising took longer than {seconds:.3g} s. Send less text.") from None


def _file(entry: ModelEntry, known: dict[str, ModelEntry]) -> Path | None:
    """The tokenizer of an entry; an adapter without one reads as its parent does."""
    text, generate = entry.spec.text, entry.spec.generate
    name = text.tokenizer if text is not None else generate.tokenizer if generate is not None else None
    if name is not None and (path := entry.newest / name).is_file():
        return path
    parent = known.get(entry.spec.parent or "")
    return None if parent is None or parent is entry else _file(parent, known)
