"""`POST /rerank`, as Hugging Face's Text Embeddings Inference has it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from argosy.api.http.bodies import BodyReader, FieldFact
from argosy.api.http.exchange import Exchange
from argosy.core.errors import ModelNotFound
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.rank import Ranker, relevance

MOST_TEXTS = 1000
_FIELDS = {"passage": "texts", "text": "texts"}
_CUT = {"left": "START", "right": "END"}

encode = msgspec.json.Encoder().encode


class TeiRerankBody(msgspec.Struct, frozen=True, kw_only=True):
    """The request. TEI serves one model, so `model` may be left out: the first re-ranking model is meant."""

    query: Annotated[str, Meta(min_length=1)]
    texts: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=MOST_TEXTS)]
    model: str | None = None
    raw_scores: bool = False
    return_text: bool = False
    truncate: bool | None = None
    truncation_direction: Literal["Left", "Right", "left", "right"] = "Right"


class Rank(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text's place in the request and its score: 0 to 1, or the model's own with `raw_scores`."""

    index: int
    score: float
    text: str | None = None


class TeiRoute:
    """Sorts texts by how well they answer a query."""

    def __init__(self, catalog: Catalog, ranker: Ranker) -> None:
        self._catalog = catalog
        self._ranker = ranker
        self._reader = BodyReader(TeiRerankBody)

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    async def create(self, exchange: Exchange) -> None:
        """Every text with its score, best first."""
        body = await exchange.read(self._reader)
        model = self._first() if body.model is None else self._catalog.resolve(body.model, Task.RANK).model
        exchange.fields = _FIELDS
        cut = _CUT[body.truncation_direction.lower()] if body.truncate else None
        found = await self._ranker.rank(model, body.query, body.texts, exchange.call(model), truncate=cut)
        exchange.count(found.tokens)
        scores = found.logits if body.raw_scores else relevance(model, found.logits)
        ranks = [
            Rank(int(index), float(scores[index]), body.texts[index] if body.return_text else None)
            for index in found.order
        ]
        await exchange.reply(encode(ranks))

    def _first(self) -> ServedModel:
        for model in self._catalog.models:
            if model.task is Task.RANK:
                return model
        raise ModelNotFound("No re-ranking model is served here.", param="model")
