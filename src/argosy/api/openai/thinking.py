"""The switches of models that think: `chat_template_kwargs` and `reasoning_effort`."""

from __future__ import annotations

from typing import Any

from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.server.catalog.catalog import ServedModel

_SWITCHES = ("enable_thinking", "thinking")
"""Names that templates give to the same switch."""


def template_switches(kwargs: dict[str, Any] | None, effort: str | None, model: ServedModel) -> dict[str, Any]:
    """What the template is told about thinking; a client reaches no other variable of it.

    Raises:
        InvalidRequest: a switch is not true or false, or two contradict each other.
        UnsupportedParameter: the model does not think, or a name is no switch.
    """
    values: set[bool] = set()
    for name, value in (kwargs or {}).items():
        if name not in _SWITCHES:
            raise UnsupportedParameter(
                "'chat_template_kwargs' takes 'enable_thinking' and 'thinking' only. Leave the rest out.",
                param="chat_template_kwargs",
            )
        if not isinstance(value, bool):
            raise InvalidRequest(
                f"'chat_template_kwargs.{name}' must be true or false.", param=f"chat_template_kwargs.{name}"
            )
        values.add(value)
    thinks = model.spec.generate is not None and model.spec.generate.reasoning_parser is not None
    for field, given in (("chat_template_kwargs", kwargs), ("reasoning_effort", effort not in (None, "none"))):
        if given and not thinks:
            raise UnsupportedParameter(f"Model '{model.name}' does not think. Leave '{field}' out.", param=field)
    if effort is not None:
        values.add(effort != "none")
    if len(values) > 1:
        raise InvalidRequest(
            "The switches of thinking contradict each other. Send one of them.", param="chat_template_kwargs"
        )
    if not values or not thinks:
        return {}
    switch = values.pop()
    found: dict[str, Any] = dict.fromkeys(_SWITCHES, switch)
    if effort not in (None, "none"):
        found["reasoning_effort"] = effort
    return found
