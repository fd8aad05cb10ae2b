"""Echo language models that repeat the last message to the letter, one for each way of reading an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from argosy.core.models import GenerateSpec
from argosy.server.text.tools.families import FAMILIES
from argosy.store.entries import ModelEntry
from tests.suites.echo_models import echo_chat

THINKER = "thinker"
_REPEAT = "{{ messages[-1].content }}"
_THINK = "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}" + _REPEAT


def parrots(store: Path) -> list[ModelEntry]:
    """A model named after each family of tool calls, and `thinker`, which also thinks; its calls are hermes'."""
    entries = [_parrot(store, name, _REPEAT, tool_parser=name) for name in FAMILIES]
    return [*entries, _parrot(store, THINKER, _THINK, tool_parser="hermes", reasoning_parser="qwen3")]


def _parrot(store: Path, name: str, template: str, **parsers: str) -> ModelEntry:
    entry = echo_chat(store, name, context_length=4000)
    (entry.newest / "chat.jinja").write_text(template, encoding="utf-8")
    generate = GenerateSpec(context_length=4000, chat_template="chat.jinja", **parsers)
    return ModelEntry(replace(entry.spec, generate=generate), entry.directory, entry.versions)
