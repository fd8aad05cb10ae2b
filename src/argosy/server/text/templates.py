"""Conversations to prompts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from argosy.core.deadline import NEVER, Deadline
from argosy.core.errors import EngineError, InvalidModelEntry, InvalidRequest
from argosy.server.text import frames
from argosy.server.text.parsers import check_parsers
from argosy.server.text.process import RendererDied, RendererProcess
from argosy.store.entries import ModelEntry

_LOG = logging.getLogger(__name__)
_LARGEST_TEMPLATE = 1 << 20
_PROBE = [{"role": "user", "content": "Hello"}]

Message = Mapping[str, Any]
"""`role`, `content` (text) and whatever else a template may look at."""


@dataclass(frozen=True, slots=True)
class TemplateOptions:
    """Bounds on templates.

    Attributes:
        render_seconds: longest rendering of one conversation.
        load_seconds: longest compiling and first rendering of a template.
    """

    render_seconds: float = 1.0
    load_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class _Template:
    source: str
    bos_token: str
    eos_token: str


class ChatTemplates:
    """Renders the chat templates of language models in a process of their own.

    Guarantees: a template can neither stop this process nor read anything of it; a rendering ends within
    `render_seconds` plus the wait for its turn; after a template had to be killed the next rendering works.
    """

    def __init__(self, options: TemplateOptions | None = None) -> None:
        self._options = options or TemplateOptions()
        self._templates: dict[str, _Template] = {}
        self._process: RendererProcess | None = None
        self._turn = asyncio.Lock()

    async def start(self, entries: Iterable[ModelEntry]) -> None:
        """Load the template of every entry that names one, and try each.

        Raises:
            InvalidModelEntry: a template is missing, broken, forbidden or too slow, or an entry names a parser that
                does not exist; the message names the file or the parser.
        """
        for entry in entries:
            check_parsers(entry.spec)
            generate = entry.spec.generate
            if generate is None or generate.chat_template is None:
                continue
            source = _read(entry, generate.chat_template)
            await self.load(entry.name, source, bos_token=generate.bos_token, eos_token=generate.eos_token)

    async def load(self, model: str, source: str, *, bos_token: str = "", eos_token: str = "") -> None:
        """Take over a model's template after rendering it once.

        Raises:
            InvalidModelEntry: it is broken, does what is forbidden, or takes too long.
        """
        template = _Template(source, bos_token, eos_token)
        try:
            async with self._turn:
                answer = await self._ask(frames.Load(model, source), self._options.load_seconds)
                if isinstance(answer, frames.Rendered):
                    question = frames.Render(model, self._options.render_seconds, _variables(template, _PROBE))
                    answer = await self._ask(question, self._options.render_seconds)
        except RendererDied:
            raise InvalidModelEntry(
                f"The chat template of {model!r} takes longer than {self._options.render_seconds:g} s or too much "
                "memory for one short message; it is not used."
            ) from None
        if isinstance(answer, frames.Failed):
            raise InvalidModelEntry(f"The chat template of {model!r} cannot be used: {answer.message}.")
        self._templates[model] = template

    def forget(self, model: str) -> None:
        """Drop a model's template; a model without one is ignored."""
        self._templates.pop(model, None)

    def has(self, model: str) -> bool:
        """Whether `model` has a template."""
        return model in self._templates

    async def render(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        deadline: Deadline = NEVER,
        variables: Mapping[str, Any] | None = None,
    ) -> str:
        """The prompt for a conversation, ready for the assistant's turn.

        Args:
            model: a model with a template.
            messages: plain data only.
            deadline: for the wait and the rendering.
            variables: further names the template may use, such as `tools`.

        Raises:
            InvalidRequest: the model has no template, or its template refuses or cannot take the messages.
            EngineError: the rendering process cannot be used now.
            DeadlineExceeded: the deadline passed first.
        """
        template = self._templates.get(model)
        if template is None:
            raise InvalidRequest(f"Model '{model}' has no chat form; use /v1/completions.", param="model")
        deadline.check()
        values = {**_variables(template, messages), **(variables or {})}
        seconds = min(self._options.render_seconds, deadline.remaining)
        try:
            async with self._turn:
                answer = await self._ask(frames.Render(model, seconds, values), seconds)
        except RendererDied:
            _LOG.warning("The chat template of %s had to be stopped.", model)
            deadline.check()
            raise InvalidRequest(
                f"The chat template of '{model}' takes too long on these messages; send fewer or shorter ones.",
                param="messages",
            ) from None
        except OSError as error:
            raise EngineError("Chat templates cannot be rendered now. Try again shortly.") from error
        return _text(answer, model)

    async def stop(self) -> None:
        """End the rendering process; idempotent."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    async def _ask(self, question: frames.Question, seconds: float) -> frames.Answer:
        process = await self._running()
        try:
            return await process.ask(question, seconds)
        except BaseException:
            # Also when the task is cancelled: an unread answer would be taken for the next question's.
            self._process = None
            await process.stop()
            raise

    async def _running(self) -> RendererProcess:
        if self._process is None:
            process = await RendererProcess.start()
            for name, template in self._templates.items():
                await process.ask(frames.Load(name, template.source), self._options.load_seconds)
            self._process = process
        return self._process


def _read(entry: ModelEntry, name: str) -> str:
    path = entry.newest / name
    try:
        if path.stat().st_size > _LARGEST_TEMPLATE:
            raise InvalidModelEntry(f"{path} is larger than 1 MiB; a chat template is a page of text.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidModelEntry(f"The chat template {path} cannot be read: {error}.") from error


def _variables(template: _Template, messages: Sequence[Message]) -> dict[str, Any]:
    return {
        "messages": list(messages),
        "add_generation_prompt": True,
        "bos_token": template.bos_token,
        "eos_token": template.eos_token,
        "tools": None,
        "documents": None,
    }


def _text(answer: frames.Answer, model: str) -> str:
    if isinstance(answer, frames.Rendered):
        return answer.text
    if isinstance(answer, frames.Refused):
        raise InvalidRequest(f"Model '{model}' cannot take these messages: {answer.message}", param="messages")
    _LOG.warning("The chat template of %s failed: %s", model, answer.message)
    raise InvalidRequest(
        f"The chat template of '{model}' cannot render these messages; check their order, roles and content.",
        param="messages",
    )
