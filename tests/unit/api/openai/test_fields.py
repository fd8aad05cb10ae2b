from __future__ import annotations

import re
from pathlib import Path

import pytest

from argosy.api.http.bodies import Disposition
from argosy.api.http.routes import DirectRoute, RouteSpec
from tests.suites.gateway import Server

PAGE = Path(__file__).parents[4] / "docs" / "openai.md"
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


@pytest.mark.parametrize("path", [CHAT, TEXT])
async def test_the_routes_tell_what_becomes_of_each_field(server: Server, path: str) -> None:
    """Every field of the body once, every refusal with a reason."""
    spec = _spec(server, path)
    names = [fact.name for fact in spec.fields]
    assert len(names) == len(set(names))
    assert set(spec.body.__struct_encode_fields__) <= set(names)
    assert all(fact.note for fact in spec.fields if fact.disposition is not Disposition.SUPPORTED)


@pytest.mark.parametrize(
    ("path", "field", "disposition"),
    [
        (CHAT, "messages", Disposition.SUPPORTED),
        (CHAT, "tools", Disposition.DEPENDS),
        (CHAT, "best_of", Disposition.REFUSED),
        (CHAT, "echo", Disposition.REFUSED),
        (TEXT, "echo", Disposition.SUPPORTED),
        (TEXT, "tools", Disposition.REFUSED),
        (TEXT, "logprobs", Disposition.DEPENDS),
        (TEXT, "store", Disposition.IGNORED),
        (CHAT, "nvext.top_k", Disposition.SUPPORTED),
        (CHAT, "nvext.guided_json", Disposition.DEPENDS),
        (CHAT, "structured_outputs.structural_tag", Disposition.REFUSED),
        (TEXT, "stream_options.include_obfuscation", Disposition.IGNORED),
    ],
)
async def test_some_of_them(server: Server, path: str, field: str, disposition: Disposition) -> None:
    """One of each kind."""
    found = {fact.name: fact.disposition for fact in _spec(server, path).fields}
    assert found[field] is disposition


@pytest.mark.parametrize("path", [CHAT, TEXT])
async def test_the_page_for_people_has_every_field(server: Server, path: str) -> None:
    """`docs/openai.md` names what is taken, refused and ignored, what is inside of fields apart."""
    words = set(re.findall(r"[a-z_]+", PAGE.read_text(encoding="utf-8")))
    assert {fact.name for fact in _spec(server, path).fields if "." not in fact.name} <= words


def _spec(server: Server, path: str) -> RouteSpec:
    routes = [route for route in server.app.routes if isinstance(route, DirectRoute)]
    return next(route.spec for route in routes if route.path == path)
