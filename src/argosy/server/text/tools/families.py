"""The families of tool-call syntax, by the name a model entry gives in `generate.tool_parser`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from argosy.server.text.tools.forced import JsonCalls, PythonicCalls
from argosy.server.text.tools.hermes import CLOSING, OPENING, HermesReader
from argosy.server.text.tools.llama3_json import Llama3JsonReader
from argosy.server.text.tools.mistral import MistralReader
from argosy.server.text.tools.pythonic import PythonicReader
from argosy.server.text.tools.reader import CallReader


@dataclass(frozen=True, slots=True)
class ToolFamily:
    """One syntax, both ways.

    Attributes:
        reader: finds calls in an answer.
        forced: makes an answer a call.
        new_id: a fresh identity for a call, which the family's templates take back with its result.
    """

    reader: type[CallReader]
    forced: JsonCalls | PythonicCalls
    new_id: Callable[[], str] = lambda: f"call_{secrets.token_hex(12)}"


def _nine_characters() -> str:
    """Mistral's templates refuse an identity that has not 9 letters and digits."""
    return secrets.token_hex(5)[:9]


_HERMES = ToolFamily(HermesReader, JsonCalls(f"{OPENING}\n", f"\n{CLOSING}"))
FAMILIES: Mapping[str, ToolFamily] = {
    "hermes": _HERMES,
    "qwen": _HERMES,
    "llama3_json": ToolFamily(Llama3JsonReader, JsonCalls(arguments="parameters", separator="; ")),
    # The mark of the family is a special token, which no grammar can ask for; the list alone is read as well.
    "mistral": ToolFamily(MistralReader, JsonCalls(separator=", ", opening="[", closing="]"), _nine_characters),
    "pythonic": ToolFamily(PythonicReader, PythonicCalls()),
}
