"""What vLLM is asked to generate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from argosy.engines.grammar.messages import Grammar


@dataclass(frozen=True, slots=True)
class Order:
    """A generation, every value already checked.

    Attributes:
        tokens: the prompt.
        arguments: of vLLM's `SamplingParams`.
        constraint: None leaves the answer free.
    """

    tokens: Sequence[int]
    arguments: Mapping[str, Any]
    constraint: Grammar | None = None
