from __future__ import annotations

import msgspec
import pytest

from argosy.api.http.bodies import BodyReader
from argosy.api.http.errors import ErrorDialect
from argosy.api.http.exchange import Exchange
from argosy.api.http.routes import RouteSpec
from argosy.api.openai.errors import ERRORS


class Body(msgspec.Struct):
    text: str


async def endpoint(exchange: Exchange) -> None:
    raise NotImplementedError


def spec(**options: object) -> RouteSpec:
    errors: ErrorDialect = ERRORS
    return RouteSpec("POST", "/here", endpoint, "Do", "Tag", errors, Body, Body, **options)


def test_a_route_says_what_becomes_of_every_field() -> None:
    """One that does not is no route: its documentation would be silent or wrong."""
    with pytest.raises(ValueError, match="/here does not say what becomes of text"):
        spec()
    assert spec(fields=tuple(BodyReader(Body).fields())).fields
