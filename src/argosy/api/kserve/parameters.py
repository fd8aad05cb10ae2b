"""Request parameters: `priority`, `timeout`, the sequence fields and whatever a model of its own takes.

Source: Triton's parameters, schedule policy and sequence extensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from argosy.core.errors import InvalidRequest
from argosy.runtime.contract import Parameter

_MOST = 256
_LONGEST_NAME = 256
_RESERVED = "triton_"
_UNSIGNED = 1 << 64
_SIGNED = 1 << 63
_PASSED = "models without it take no notice"
_SEQUENCE = f"needs a model with sequence batching; {_PASSED}"
_READS = "needs a model that reads text; others take no notice"
DEPENDS: Mapping[str, str] = {
    "priority": f"needs a model with priority levels; {_PASSED}",
    "timeout": f"microseconds; needs a model whose queue policy allows requests a timeout; {_PASSED}",
    "sequence_id": _SEQUENCE,
    "sequence_start": _SEQUENCE,
    "sequence_end": _SEQUENCE,
    "truncate": _READS,
    "input_type": _READS,
}
"""Request parameters that are more than a name between a client and a model of its own."""

REFUSED: Mapping[str, str] = {f"{_RESERVED}*": "These names are the runtime's own."}
"""Names of request parameters that are reserved."""

_FLAGS = ("sequence_start", "sequence_end")
_COUNTS = ("priority", "timeout")


def read_parameters(given: Mapping[str, Any], at: str = "parameters") -> dict[str, Parameter]:
    """The parameters as the runtime takes them.

    Args:
        given: decoded JSON.
        at: the field, for errors; empty for the body itself.

    Raises:
        InvalidRequest: too many, a name that is reserved, or a value of a wrong type or out of range; `param` names it.
    """
    if len(given) > _MOST:
        raise InvalidRequest(f"There are {len(given)} parameters; {_MOST} are allowed.", param=at or None)
    prefix = f"{at}." if at else ""
    return {name: _checked(name, value, f"{prefix}{name}"[:_LONGEST_NAME]) for name, value in given.items()}


def _checked(name: str, value: Any, at: str) -> Parameter:
    if len(name) > _LONGEST_NAME:
        raise InvalidRequest(f"'{at}…' is too long a name; {_LONGEST_NAME} characters are allowed.", param=at)
    if name.startswith(_RESERVED):
        raise InvalidRequest(f"'{at}': names that begin with '{_RESERVED}' are reserved. Use another.", param=at)
    if name in _FLAGS:
        if type(value) is not bool:
            raise InvalidRequest(f"'{at}' must be true or false.", param=at)
    elif name in _COUNTS:
        if type(value) is not int or not 0 <= value < _SIGNED:
            raise InvalidRequest(f"'{at}' must be a whole number, 0 or more.", param=at)
    elif name == "sequence_id" and type(value) is not str and (type(value) is not int or value < 0):
        raise InvalidRequest(f"'{at}' must be text or a whole number, 0 or more.", param=at)
    if type(value) not in {bool, int, float, str}:
        raise InvalidRequest(f"'{at}' must be a boolean, a number or text.", param=at)
    if type(value) is int and not -_SIGNED <= value < _UNSIGNED:
        raise InvalidRequest(f"'{at}' must fit 64 bits.", param=at)
    checked: Parameter = value
    return checked
