"""What is to come of a request, by what its route says of the fields that it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from argosy.api.http.bodies import Disposition, FieldFact

PLAIN: Mapping[str, Any] = {"messages[].content[].type": "text", "exclude_input_in_output": True}
"""The values of refused fields that ask for nothing and have to be sent to ask for something else."""


def sent(body: Mapping[str, Any], facts: Iterable[FieldFact]) -> list[FieldFact]:
    """The fields that a body has, those left out that ask for nothing."""
    return [
        fact
        for fact in facts
        if any(value is not None and value != PLAIN.get(fact.name) for value in _values(body, fact.name.split(".")))
    ]


def _values(value: Any, path: Sequence[str]) -> Iterator[Any]:
    if not path:
        yield value
        return
    name, rest = path[0].removesuffix("[]"), path[1:]
    if isinstance(value, Mapping):
        for member in [member for key, member in value.items() if fnmatchcase(key, name)]:
            within = member if path[0].endswith("[]") else [member]
            for one in within if isinstance(within, list) else ():
                yield from _values(one, rest)


@dataclass(frozen=True)
class Expected:
    """What is to come of a request.

    Attributes:
        refused: the fields of which one is named by the refusal; empty when it is to be answered.
        ignored: the fields that the reply's header names.
        shown: the fields whose fate the request shows.
    """

    refused: frozenset[str]
    ignored: frozenset[str]
    shown: frozenset[str]


def expected(body: Mapping[str, Any], facts: Iterable[FieldFact], lacking: str = "") -> Expected:
    """What is to come of a body: it is refused for what no model can do, or for what the bundled one lacks.

    A body may ask for one refused thing only; what is inside of a refused field counts in its stead.
    """
    there = sent(body, facts)
    refused = _innermost(fact.name for fact in there if fact.disposition is Disposition.REFUSED)
    assert len(refused) < 2, f"one refusal would hide the other: {sorted(refused)}"
    if lacking:
        depends = {fact.name for fact in there if fact.disposition is Disposition.DEPENDS}
        assert not refused, f"what is refused anyway would hide {lacking}"
        assert lacking in depends, f"{lacking} does not depend on the model"
        refused = frozenset({lacking})
    if refused:
        return Expected(refused, frozenset(), refused)
    ignored = frozenset(fact.name for fact in there if fact.disposition is Disposition.IGNORED)
    return Expected(frozenset(), ignored, frozenset(fact.name for fact in there))


def _innermost(names: Iterable[str]) -> frozenset[str]:
    found = list(names)
    return frozenset(name for name in found if not any(other.startswith((f"{name}.", f"{name}[]")) for other in found))
