"""The options of an echo deployment, read from `parameters` in `config.pbtxt`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from argosy.core.errors import InvalidModelEntry


@dataclass(frozen=True, slots=True)
class EchoOptions:
    """How an echo behaves.

    Attributes:
        delay_ms: milliseconds each execution (tensors) or each chunk (text) takes.
        slots: generations that run at once; further ones wait.
        fail_after: chunks after which every generation ends with an `EngineError`; 0 means never.
    """

    delay_ms: float = 0.0
    slots: int = 64
    fail_after: int = 0

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> EchoOptions:
        """Read the options an echo knows; others belong to the host and are left alone.

        Raises:
            InvalidModelEntry: a value is not a number, or out of range; the message names the parameter.
        """
        return cls(
            delay_ms=_number(parameters, "delay_ms", 0, 60_000, 0),
            slots=int(_number(parameters, "slots", 1, 10_000, 64)),
            fail_after=int(_number(parameters, "fail_after", 0, 1_000_000, 0)),
        )


def _number(parameters: Mapping[str, str], name: str, least: float, most: float, default: float) -> float:
    try:
        value = float(parameters.get(name, default))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise InvalidModelEntry(
            f"The parameter '{name}' of config.pbtxt is {parameters[name]!r}; write a number from {least} to {most}."
        )
    return value
