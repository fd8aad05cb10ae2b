"""`/m/{model}/…`: one model of many, addressed as if it had a server of its own.

Clients that take the first model they find, and rules that scrape one model's metrics, then need no change.
"""

from __future__ import annotations

from argosy.core.errors import NotFound
from argosy.server.catalog.catalog import Catalog
from argosy.server.catalog.single import SingleModel

PREFIX = "/m/"
_FAMILY = "/v1/"
_PATHS = frozenset({"/metrics", "/tokenize", "/detokenize", "/rerank", "/v2/rerank"})
_MOST_SLASHES = 8


def split(path: str) -> tuple[str, str] | None:
    """Model name and the rest of a path that begins with `/m/`; None when the rest is nothing a single model has.

    Public names may hold slashes, so the name ends where a path of a single-model server begins.
    """
    start = len(PREFIX)
    for _ in range(_MOST_SLASHES):
        start = path.find("/", start)
        if start < 0:
            return None
        name, rest = path[len(PREFIX) : start], path[start:]
        if name and (rest.startswith(_FAMILY) or rest in _PATHS):
            return name, rest
        start += 1
    return None


def inner_path(path: str) -> str:
    """The path without `/m/{model}`; the path itself when it has no such prefix."""
    parts = split(path) if path.startswith(PREFIX) else None
    return path if parts is None else parts[1]


def find(path: str, catalog: Catalog) -> SingleModel:
    """The model that a path under `/m/` addresses.

    Raises:
        ModelNotFound: no model has that name.
        NotFound: the path is not one that a single model has.
    """
    parts = split(path)
    if parts is None:
        raise NotFound(
            "Under /m/{model} there are /v1/…, /v2/rerank, /rerank, /tokenize, /detokenize and /metrics; "
            "the path has none of them."
        )
    return SingleModel(catalog, parts[0])
