"""The body of `generate` and `generate_stream`: one JSON object of values.

Source: Triton's generate extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from argosy.api.http.bodies import parse
from argosy.core.errors import InvalidRequest

_SIGNED = 1 << 63
Identity = str | int | None


@dataclass(frozen=True, slots=True)
class GenerateCall:
    """A body with what every model's has in common taken out.

    Attributes:
        identity: the client's own id of the request, to be repeated in the answer.
        fields: the members beside `id` and `parameters`.
        parameters: the members of `parameters`.
    """

    identity: Identity
    fields: Mapping[str, Any]
    parameters: Mapping[str, Any]

    @classmethod
    def read(cls, body: bytes) -> GenerateCall:
        """What a body says.

        Raises:
            MalformedBody: not strict JSON.
            InvalidRequest: not an object, or a member has a wrong type; `param` names it.
        """
        given = parse(body)
        if type(given) is not dict:
            raise InvalidRequest("The body must be a JSON object.")
        identity, parameters = given.pop("id", None), given.pop("parameters", None)
        if type(identity) not in {str, int, type(None)} or (type(identity) is int and not 0 <= identity < _SIGNED):
            raise InvalidRequest("'id' must be text or a whole number from 0 to 2^63 - 1.", param="id")
        if type(parameters) not in {dict, type(None)}:
            raise InvalidRequest("'parameters' must be an object.", param="parameters")
        return cls(identity, given, parameters or {})
