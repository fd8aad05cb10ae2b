"""The one parser of request bodies: strict JSON (RFC 8259, I-JSON's rules), then typed structs.

Refused beyond what is not JSON: duplicate names, NaN and infinities, lone surrogates, invalid UTF-8 and nesting
deeper than 64. Unknown top-level fields are reported, not refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from argosy.api.http.nested import field_paths, object_names, parent, strangers
from argosy.core.errors import InvalidRequest, MalformedBody, UnsupportedParameter

T = TypeVar("T", bound=msgspec.Struct)

DEEPEST = 64
_LONGEST_REASON = 300
_AT = re.compile(r"(?P<reason>.*?)(?: - at `(?:key in )?\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A field that is known and cannot be honoured.

    Attributes:
        harmless: the values that ask for nothing, and are taken.
        reason: one sentence for the client, with the remedy.
    """

    harmless: tuple[Any, ...] = (None,)
    reason: str = "Leave it out."


class Disposition(StrEnum):
    """What becomes of a request field."""

    SUPPORTED = "supported"
    REFUSED = "refused"
    DEPENDS = "engine-dependent"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class FieldFact:
    """One request field of a route, for the tables that are made from the code.

    Attributes:
        name: the path to it, `a.b` inside of an object and `a[].b` inside of a list.
        note: why it is refused or ignored, what it depends on, or how far it is supported; may be empty.
    """

    name: str
    disposition: Disposition
    note: str = ""


class BodyReader(Generic[T]):
    """Turns bodies of one kind into structs.

    Args:
        kind: a msgspec struct; its fields are the known ones.
        unsupported: known fields that cannot be honoured; a tuple stands for a `Refusal` with those harmless values.
        refused: fields of the struct that its route refuses by itself when they ask for something, with the reason.
        depends: fields that not every model can honour, with what it takes.
        ignored: fields that change no answer and are warned about like unknown ones, with the reason. They are none
            of the struct's.
        notes: how far fields are supported, where that is not all the way.

    The last four hold fields inside of fields, too, as `FieldFact.name` writes them.
    """

    def __init__(
        self,
        kind: type[T],
        unsupported: Mapping[str, Refusal | tuple[Any, ...]] | None = None,
        *,
        refused: Mapping[str, str] | None = None,
        depends: Mapping[str, str] | None = None,
        ignored: Mapping[str, str] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        self._kind = kind
        self._unsupported = {
            name: refusal if isinstance(refusal, Refusal) else Refusal(refusal)
            for name, refusal in (unsupported or {}).items()
        }
        self._declared = {
            Disposition.REFUSED: {
                **{name: refusal.reason for name, refusal in self._unsupported.items()},
                **(refused or {}),
            },
            Disposition.DEPENDS: depends or {},
            Disposition.IGNORED: ignored or {},
            Disposition.SUPPORTED: notes or {},
        }
        self._known = frozenset(kind.__struct_encode_fields__) | self._unsupported.keys()
        self._choices = _choices(kind)
        self._nested = object_names(kind)

    @property
    def kind(self) -> type[T]:
        """The struct."""
        return self._kind

    def fields(self) -> list[FieldFact]:
        """Every field that has a meaning here, in the order of their names.

        One inside of a field that is not simply supported shares its fate, unless it has one of its own.
        """
        found = {
            name: FieldFact(name, disposition, note)
            for disposition, notes in self._declared.items()
            for name, note in notes.items()
        }
        for path in field_paths(self._kind):
            if path not in found:
                outer = found.get(parent(path))
                if outer is None or outer.disposition is Disposition.SUPPORTED:
                    found[path] = FieldFact(path, Disposition.SUPPORTED)
                else:
                    found[path] = replace(outer, name=path)
        return sorted(found.values(), key=lambda fact: fact.name)

    def read(self, body: bytes, model: str | None = None) -> tuple[T, list[str]]:
        """The struct a body spells, and the names of the fields it has beyond the known ones.

        Args:
            body: JSON text.
            model: what a missing `model` means.

        Raises:
            MalformedBody: not strict JSON.
            InvalidRequest: a field is missing or has a wrong type or value; `param` names it.
            UnsupportedParameter: a field asks for what cannot be done; `param` names it.
        """
        value = parse(body)
        if type(value) is not dict:
            raise InvalidRequest("The body must be a JSON object.")
        if model is not None and "model" in self._known and value.get("model") is None:
            value["model"] = model
        for name in self._unsupported.keys() & value.keys():
            refusal = self._unsupported[name]
            if value[name] not in refusal.harmless:
                raise UnsupportedParameter(f"'{name}' is not supported here. {refusal.reason}", param=name)
        try:
            struct = msgspec.convert(value, self._kind)
        except msgspec.ValidationError as error:
            raise self._explained(str(error)) from None
        unknown = value.keys() - self._known
        for name in self._nested.keys() & value.keys():
            if type(value[name]) is dict:
                unknown |= set(strangers(value[name], self._nested[name], f"{name}."))
        return struct, sorted(unknown) if unknown else []

    def _explained(self, text: str) -> InvalidRequest:
        match = _AT.fullmatch(text)
        reason, path = (match["reason"], match["path"] or "") if match else (text, "")
        missing = _MISSING.fullmatch(reason)
        if missing:
            param = f"{path}.{missing['field']}" if path else missing["field"]
            return InvalidRequest(f"'{param}' is missing.", param=param)
        choices = self._choices.get(path)
        if choices:
            reason = f"Expected one of {choices}"
        message = reason.replace("`", "").replace("array", "list")[:_LONGEST_REASON]
        return InvalidRequest(f"'{path}': {message}." if path else f"{message}.", param=path or None)


def parse(body: bytes) -> Any:
    """The value of a strict JSON text.

    Raises:
        MalformedBody: it is not one; the message says where or why.
    """
    try:
        value = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8. Send JSON in UTF-8.") from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        if not body.strip():
            raise MalformedBody("The body is empty. Send a JSON object.") from None
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"The body is not JSON: {error.msg} at {where}.") from None
    except ValueError:
        # Python refuses to convert integers of thousands of digits.
        raise MalformedBody("The body holds a number with too many digits.") from None
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _check_depth(value)
    if b"\\u" in body and _SURROGATE.search(body):
        _check_surrogates(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedBody(f"The body has the name {twice[:64]!r} twice in one object.")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MalformedBody("The body holds a number that is too large.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise MalformedBody(f"The body holds {name}, which is not JSON.")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)


def _too_deep() -> MalformedBody:
    return MalformedBody(f"The body is nested deeper than {DEEPEST} levels.")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [child for node in level for child in _children(node) if type(child) in {list, dict}]
        if not level:
            return
    raise _too_deep()


def _children(node: Any) -> Iterable[Any]:
    return node.values() if type(node) is dict else node


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedBody("The body holds half of a surrogate pair (\\ud800 to \\udfff).") from None


def _choices(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The allowed values of each top-level field that has a fixed list of them, in words."""
    info = msgspec.inspect.type_info(kind)
    fields = info.fields if isinstance(info, msgspec.inspect.StructType) else ()
    found = {}
    for field in fields:
        options = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
        values = [value for option in options for value in getattr(option, "values", ())]
        if values:
            found[field.encode_name] = ", ".join(map(str, values))
    return found
