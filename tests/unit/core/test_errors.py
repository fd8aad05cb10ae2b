from __future__ import annotations

import re

import pytest

from argosy.core import errors
from argosy.core.errors import ArgosyError, EngineError, InputTooLong, InvalidRequest, decode, encode


def all_errors() -> list[type[ArgosyError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ArgosyError)]


def test_the_drawn_tree_is_the_real_tree() -> None:
    """Every class stands in the picture at the depth its bases say."""
    drawn = {
        match["name"]: (len(match["lead"]) - 4) // 4
        for match in re.finditer(r"^(?P<lead>[ │├└─]*)(?P<name>[A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
        if match["lead"]
    }
    real = {kind.__name__: len(kind.__mro__) - len(ArgosyError.__mro__) for kind in all_errors()}
    assert drawn == real


def test_codes_are_unique() -> None:
    """A code names one class."""
    codes = [kind.code for kind in all_errors()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", [InputTooLong("too long: 9 > 8", param="input"), InvalidRequest("line 1\nline 2")])
def test_an_encoded_error_comes_back_with_class_message_and_param(error: ArgosyError) -> None:
    """What an engine raises survives a wire that carries only text, whatever is put before it."""
    again = decode("Failed to process the request(s): " + encode(error))
    assert type(again) is type(error)
    assert again is not None
    assert (again.message, again.param) == (error.message, error.param)


def test_text_without_a_code_is_no_error_of_ours() -> None:
    """Foreign messages are not decoded."""
    assert decode("Stub process is not healthy") is None


def test_a_code_engines_may_not_raise_becomes_an_engine_error() -> None:
    """An engine cannot make the gateway answer 401."""
    assert type(decode("[argosy:invalid_api_key] no")) is EngineError
