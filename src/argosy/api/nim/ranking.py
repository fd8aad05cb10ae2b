"""`POST /v1/ranking`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.api.http.bodies import BodyReader, FieldFact
from argosy.api.http.exchange import Exchange
from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.rank import Ranker

_MOST_PASSAGES = 512
_FIELDS = {"query": "query.text", "passage": "passages", "text": "passages"}
_REFUSED = {"passages[].image": "Text is all that is ranked."}
_NOTES = {"user": "taken; it changes no answer in the dialect either"}

encode = msgspec.json.Encoder().encode


class Query(msgspec.Struct, frozen=True):
    """The question."""

    text: Annotated[str, Meta(min_length=1)]


class Passage(msgspec.Struct, frozen=True):
    """A candidate answer."""

    text: str | None = None
    image: Any = None


class RankingBody(msgspec.Struct, frozen=True, kw_only=True):
    """The request."""

    model: str
    query: Query
    passages: Annotated[list[Passage], Meta(min_length=1, max_length=_MOST_PASSAGES)]
    truncate: Literal["NONE", "START", "END"] | None = None
    user: str | None = None


class RankedPassage(msgspec.Struct, frozen=True):
    """A passage's place in the request and its score."""

    index: int
    logit: float


class RankingUsage(msgspec.Struct, frozen=True):
    """Tokens the model read."""

    prompt_tokens: int
    total_tokens: int


class RankingReply(msgspec.Struct, frozen=True):
    """Passages, best first. It has no `object`: clients of NIM take one for an error."""

    rankings: list[RankedPassage]
    usage: RankingUsage


class RankingRoute:
    """Sorts passages by how well they answer a query."""

    def __init__(self, catalog: Catalog, ranker: Ranker) -> None:
        self._catalog = catalog
        self._ranker = ranker
        self._reader = BodyReader(RankingBody, refused=_REFUSED, notes=_NOTES)

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    async def create(self, exchange: Exchange) -> None:
        """Every passage with its score."""
        body = await exchange.read(self._reader)
        model = self._catalog.resolve(body.model, Task.RANK).model
        passages = [_text(passage, index) for index, passage in enumerate(body.passages)]
        # From here on an error that names a tensor means a field.
        exchange.fields = _FIELDS
        found = await self._ranker.rank(model, body.query.text, passages, exchange.call(model), truncate=body.truncate)
        exchange.count(found.tokens)
        rankings = [RankedPassage(int(index), float(found.logits[index])) for index in found.order]
        await exchange.reply(encode(RankingReply(rankings, RankingUsage(found.tokens, found.tokens))))


def _text(passage: Passage, index: int) -> str:
    if passage.image is not None:
        param = f"passages[{index}].image"
        raise UnsupportedParameter(f"'{param}' is not supported; this model ranks text.", param=param)
    if not passage.text:
        param = f"passages[{index}].text"
        raise InvalidRequest(f"'{param}' is missing or empty.", param=param)
    return passage.text
