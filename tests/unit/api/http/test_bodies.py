from __future__ import annotations

import json
import time
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from argosy.api.http.bodies import DEEPEST, BodyReader, Disposition, FieldFact, Refusal, parse
from argosy.core.errors import InvalidRequest, MalformedBody, UnsupportedParameter

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner), max_leaves=20)


class Inner(msgspec.Struct):
    text: str


class Body(msgspec.Struct):
    model: str
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    format: Literal["float", "base64"] | None = None
    inner: list[Inner] = []


READER = BodyReader(Body, {"tools": (None, [])})


@given(_VALUES)
def test_every_json_value_survives(value: object) -> None:
    """Whatever the standard library writes is read back equal."""
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"   ", "empty"),
        (b"{", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'[{"a": {"b": 1, "c": 2, "b": 1}}]', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\uDFFF": 1}', "surrogate"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"a": "\x00"}', "not JSON"),
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes, words: str) -> None:
    """Each violation is MalformedBody and the message names it."""
    with pytest.raises(MalformedBody, match=words):
        parse(body)


def test_a_surrogate_pair_is_one_character() -> None:
    """An escaped pair is legal."""
    assert parse(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_bounded(brackets: tuple[bytes, bytes]) -> None:
    """64 levels are read, 65 are refused."""
    opening, closing = brackets
    parse(opening * (DEEPEST - 1) + b"[]" + closing * (DEEPEST - 1))
    with pytest.raises(MalformedBody, match="nested deeper"):
        parse(opening * DEEPEST + b"[]" + closing * DEEPEST)


def test_many_flat_objects_are_not_deep() -> None:
    """Depth is counted, not brackets."""
    assert len(parse(json.dumps([{"text": "x"}] * 500).encode())) == 500


def test_half_a_megabyte_of_brackets_costs_nothing() -> None:
    """The parser gives up at its depth limit instead of reading on."""
    body = b"[" * 500_000
    begun = time.process_time()
    with pytest.raises(MalformedBody, match="nested deeper"):
        parse(body)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "model", "missing"),
        ({"model": 1}, "model", "Expected str, got int"),
        ({"model": "m", "n": 0}, "n", ">= 1"),
        ({"model": "m", "n": 9}, "n", "<= 8"),
        ({"model": "m", "n": True}, "n", "got bool"),
        ({"model": "m", "n": "1"}, "n", "got str"),
        ({"model": "m", "format": "hex"}, "format", "base64, float"),
        ({"model": "m", "inner": [{"text": "a"}, {"text": 2}]}, "inner[1].text", "Expected str"),
        ({"model": "m", "inner": [{}]}, "inner[0].text", "missing"),
        ({"model": "m", "inner": {}}, "inner", "Expected list"),
        ([], None, "JSON object"),
        ("text", None, "JSON object"),
    ],
)
def test_a_wrong_field_is_named(body: object, param: str | None, words: str) -> None:
    """`param` is the path to the field in the client's own spelling."""
    with pytest.raises(InvalidRequest, match=words) as caught:
        READER.read(json.dumps(body).encode())
    assert caught.value.param == param


def test_null_means_absent() -> None:
    """Optional fields take null."""
    struct, unknown = READER.read(b'{"model": "m", "n": null, "format": null}')
    assert (struct, unknown) == (Body("m"), [])


def test_unknown_fields_are_reported() -> None:
    """They are named, in order, and not refused."""
    assert READER.read(b'{"model": "m", "zeta": 1, "alpha": {}}')[1] == ["alpha", "zeta"]


def test_an_unsupported_field_is_refused_only_when_it_asks_for_something() -> None:
    """Its neutral values pass, any other is UnsupportedParameter."""
    assert READER.read(b'{"model": "m", "tools": []}')[1] == []
    with pytest.raises(UnsupportedParameter) as caught:
        READER.read(b'{"model": "m", "tools": [1]}')
    assert caught.value.param == "tools"


@given(st.dictionaries(st.sampled_from(["model", "n", "format", "inner", "tools", "x"]), _VALUES))
def test_any_object_is_a_struct_or_a_request_error(body: dict[str, object]) -> None:
    """No value provokes another kind of error."""
    outcome: object
    try:
        outcome, _ = READER.read(json.dumps(body).encode())
    except InvalidRequest as error:
        outcome = error
    assert isinstance(outcome, Body | InvalidRequest)


def test_a_reader_tells_what_becomes_of_each_field() -> None:
    """By name, for the tables that are made from the code."""
    reader = BodyReader(
        Body,
        {"tools": Refusal((None, []), "There are none."), "audio": (None,)},
        depends={"n": "needs patience"},
        ignored={"store": "nothing is stored"},
    )
    assert reader.fields() == [
        FieldFact("audio", Disposition.REFUSED, "Leave it out."),
        FieldFact("format", Disposition.SUPPORTED),
        FieldFact("inner", Disposition.SUPPORTED),
        FieldFact("inner[].text", Disposition.SUPPORTED),
        FieldFact("model", Disposition.SUPPORTED),
        FieldFact("n", Disposition.DEPENDS, "needs patience"),
        FieldFact("store", Disposition.IGNORED, "nothing is stored"),
        FieldFact("tools", Disposition.REFUSED, "There are none."),
    ]


def test_a_field_inside_of_another_shares_its_fate_or_has_its_own() -> None:
    """What is inside of a field that is simply supported is supported."""
    shared = BodyReader(Outer, depends={"inner": "needs patience"}).fields()
    own = BodyReader(Outer, refused={"inner.text": "Say less."}, notes={"inner": "short"}).fields()
    assert shared == [
        FieldFact("inner", Disposition.DEPENDS, "needs patience"),
        FieldFact("inner.text", Disposition.DEPENDS, "needs patience"),
    ]
    assert own == [
        FieldFact("inner", Disposition.SUPPORTED, "short"),
        FieldFact("inner.text", Disposition.REFUSED, "Say less."),
    ]


def test_a_refusal_gives_its_reason() -> None:
    """Behind the name of the field; values that ask for nothing are taken."""
    reader = BodyReader(Body, {"tools": Refusal((None, []), "There are none.")})
    with pytest.raises(UnsupportedParameter, match=r"'tools' is not supported here\. There are none\."):
        reader.read(b'{"model": "m", "tools": [1]}')
    assert reader.read(b'{"model": "m", "tools": []}')[1] == []


class Outer(msgspec.Struct):
    inner: Inner | None = None


def test_unknown_names_inside_an_object_of_fixed_names_are_reported() -> None:
    """By their path; the object may also be missing."""
    reader = BodyReader(Outer)
    assert reader.read(b'{"inner": {"text": "a", "b": 1}, "c": 2}')[1] == ["c", "inner.b"]
    assert reader.read(b'{"inner": null}')[1] == []
