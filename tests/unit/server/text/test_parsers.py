from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec, Task
from argosy.server.text.parsers import check_parsers, guess_reasoning_parser, guess_tool_parser

ABACUS = Path(__file__).parents[4] / "models" / "abacus" / "1" / "chat_template.jinja"


@pytest.mark.parametrize(("key", "name"), [("tool_parser", "telepathy"), ("reasoning_parser", "hermes")])
def test_a_parser_that_does_not_exist_is_refused(key: str, name: str) -> None:
    """The message has the key, the name and those that exist."""
    spec = ModelSpec("m", Task.GENERATE, "echo", generate=GenerateSpec(100, **{key: name}))
    with pytest.raises(InvalidModelEntry, match=rf"{key} '{name}'; this build has: .*"):
        check_parsers(spec)


def test_parsers_that_exist_and_none_are_taken() -> None:
    """Other tasks have none."""
    parsers = {"tool_parser": "hermes", "reasoning_parser": "qwen3"}
    check_parsers(ModelSpec("m", Task.GENERATE, "echo", generate=GenerateSpec(100, **parsers)))
    check_parsers(ModelSpec("m", Task.GENERATE, "echo", generate=GenerateSpec(100)))
    check_parsers(ModelSpec("m", Task.TENSOR, "echo"))


@pytest.mark.parametrize(
    ("template", "family"),
    [
        (ABACUS.read_text(encoding="utf-8"), "hermes"),
        ("{{ '[TOOL_CALLS]' }}", "mistral"),
        ("{{ '[TOOL_CALLS]' ~ name ~ '[ARGS]' }}", None),
        ("{{ '<tool_call>\n<function=' ~ name }}", None),
        ("{{ '<|python_tag|>' }}", "llama3_json"),
        ("{{ '<|python_start|>' }}", "pythonic"),
        ("{{ messages }}", None),
    ],
)
def test_the_family_of_calls_shows_in_the_template(template: str, family: str | None) -> None:
    """One whose syntax is not read here is not guessed."""
    assert guess_tool_parser(template) == family


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("{% if enable_thinking %}<think>", "qwen3"),
        ("{{ content.split('</think>')[-1] }}", "deepseek_r1"),
        ("{{ messages }}", None),
    ],
)
def test_the_family_of_thoughts_shows_in_the_template(template: str, family: str | None) -> None:
    """By the marks around a thought."""
    assert guess_reasoning_parser(template) == family
