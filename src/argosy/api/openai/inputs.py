"""The four forms in which OpenAI's routes take text: a string, strings, token ids, lists of token ids."""

from __future__ import annotations

from typing import Any

from argosy.core.errors import InputTooLong, InvalidRequest, PayloadTooLarge

_HIGHEST_ID = 2**31 - 1

Inputs = list[str] | list[list[int]]


def parse_inputs(value: Any, param: str, most: int) -> Inputs:
    """The inputs as a list of one kind, each non-empty.

    Args:
        value: the decoded JSON value.
        param: the field's name, for errors.
        most: longest list.

    Raises:
        InvalidRequest: another form, an empty string or list, or a token id out of range; `param` names the item.
        PayloadTooLarge: the list is longer than `most`.
    """
    if isinstance(value, str):
        return [_text(value, param)]
    if not isinstance(value, list):
        raise _wrong_form(param)
    if not value:
        raise InvalidRequest(f"'{param}' is empty. Send at least one item.", param=param)
    kind = type(value[0])
    if kind is int:
        return [_token_ids(value, param)]
    if len(value) > most:
        raise PayloadTooLarge(f"'{param}' has {len(value)} items; send at most {most} at once.", param=param)
    if kind is str:
        return [_text(item, f"{param}[{index}]") for index, item in enumerate(value)]
    if kind is list:
        return [_token_ids(item, f"{param}[{index}]") for index, item in enumerate(value)]
    raise _wrong_form(param)


def check_token_lists(inputs: Inputs, param: str, most: int) -> None:
    """Refuse lists of token ids that cannot fit, before megabytes of them travel to the engine.

    Texts pass: only the engine knows how many tokens they are.

    Raises:
        InputTooLong: a list has more than `most` ids.
    """
    longest = max(len(item) for item in inputs) if isinstance(inputs[0], list) else 0
    if longest > most:
        raise InputTooLong(f"Input length {longest} exceeds maximum allowed token size {most}.", param=param)


def _text(item: Any, param: str) -> str:
    if not isinstance(item, str):
        raise InvalidRequest(f"'{param}' is not a string like the items before it.", param=param)
    if not item:
        raise InvalidRequest(f"'{param}' is an empty string. Leave it out.", param=param)
    return item


def _token_ids(item: Any, param: str) -> list[int]:
    # bool is a subclass of int in Python, and not a token id.
    if not isinstance(item, list) or not item or set(map(type, item)) != {int}:
        raise InvalidRequest(f"'{param}' must be a non-empty list of token ids.", param=param)
    if min(item) < 0 or max(item) > _HIGHEST_ID:
        raise InvalidRequest(f"'{param}' holds a token id outside 0 to {_HIGHEST_ID}.", param=param)
    return item


def _wrong_form(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{param}' must be a string, a list of strings, a list of token ids or a list of such lists.", param=param
    )
