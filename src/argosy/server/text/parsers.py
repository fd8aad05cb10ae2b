"""Which parsers a model needs: the names that exist, and a guess for models whose entry names none."""

from __future__ import annotations

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.server.text import reasoning
from argosy.server.text.tools.families import FAMILIES


def check_parsers(spec: ModelSpec) -> None:
    """Refuse an entry whose parsers do not exist.

    Raises:
        InvalidModelEntry: naming the key and the names that exist.
    """
    if spec.generate is None:
        return
    known = {"tool_parser": sorted(FAMILIES), "reasoning_parser": sorted(reasoning.FAMILIES)}
    for key, names in known.items():
        name = getattr(spec.generate, key)
        if name is not None and name not in names:
            raise InvalidModelEntry(
                f"argosy.yaml of {spec.name!r} names the {key} {name!r}; this build has: {', '.join(names)}."
            )


def guess_tool_parser(template: str) -> str | None:
    """The family of tool calls that a chat template writes, by its marks; None when it writes none that is known."""
    if "[TOOL_CALLS]" in template:
        # Newer ones put the name before the arguments, which is another syntax.
        return None if "[ARGS]" in template else "mistral"
    if "<tool_call>" in template:
        # So does the syntax in which each argument has marks of its own.
        return None if "<function=" in template or "<arg_key>" in template else "hermes"
    if "<|python_start|>" in template:
        return "pythonic"
    return "llama3_json" if "<|python_tag|>" in template else None


def guess_reasoning_parser(template: str) -> str | None:
    """The family of thoughts that a chat template knows of, by its marks; None when it knows of none."""
    if reasoning.CLOSING not in template and reasoning.OPENING not in template:
        return None
    return "qwen3" if "enable_thinking" in template else "deepseek_r1"
