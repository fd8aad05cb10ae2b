"""`POST /v2/rerank`, as Cohere's, Jina's and vLLM's clients send it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from argosy.api.http.bodies import BodyReader, FieldFact, Refusal
from argosy.api.http.exchange import Exchange
from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.rank import Ranker, relevance

MOST_DOCUMENTS = 1000
_FIELDS = {"passage": "documents", "text": "documents"}
_DOCUMENT_SCHEMA = {
    "oneOf": [
        {"type": "string", "minLength": 1},
        {"type": "object", "properties": {"text": {"type": "string", "minLength": 1}}, "required": ["text"]},
    ]
}

encode = msgspec.json.Encoder().encode


class RerankBody(msgspec.Struct, frozen=True, kw_only=True):
    """The request. Documents are texts or `{"text": …}`; a `top_n` above their number means all of them."""

    model: str
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[
        list[Annotated[Any, Meta(extra_json_schema=_DOCUMENT_SCHEMA)]], Meta(min_length=1, max_length=MOST_DOCUMENTS)
    ]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A document as it was sent."""

    text: str


class Reranked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A document's place in the request and its score, 0 to 1; the document itself only on demand."""

    index: int
    relevance_score: float
    document: Document | None = None


class RerankUsage(msgspec.Struct, frozen=True):
    """Tokens the model read, as Jina and vLLM tell them."""

    prompt_tokens: int
    total_tokens: int


class RerankReply(msgspec.Struct, frozen=True):
    """Documents, best first; `meta` is Cohere's account of the tokens, `usage` Jina's."""

    id: str
    model: str
    results: list[Reranked]
    meta: dict[str, Any]
    usage: RerankUsage


class CohereRoute:
    """Sorts documents by how well they answer a query."""

    def __init__(self, catalog: Catalog, ranker: Ranker) -> None:
        self._catalog = catalog
        self._ranker = ranker
        # Fields of Cohere's first version.
        refused = {
            "rank_fields": Refusal((None, ["text"]), "Documents are ranked by their text."),
            "max_chunks_per_doc": Refusal((None,), "A document is read as one piece, cut to the model's length."),
        }
        depends = {"max_tokens_per_doc": "at least what the model reads"}
        notes = {"user": "taken; it changes no answer in the dialect either"}
        ignored = {"priority": "the order of waiting is that of arrival"}
        self._reader = BodyReader(RerankBody, refused, depends=depends, ignored=ignored, notes=notes)

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    async def create(self, exchange: Exchange) -> None:
        """The best `top_n` documents with their scores."""
        body = await exchange.read(self._reader)
        model = self._catalog.resolve(body.model, Task.RANK).model
        documents = [_text(document, index) for index, document in enumerate(body.documents)]
        _check_document_length(body.max_tokens_per_doc, model)
        exchange.fields = _FIELDS
        # These services cut what is too long; they never refuse it.
        found = await self._ranker.rank(model, body.query, documents, exchange.call(model), truncate="END")
        exchange.count(found.tokens)
        scores = relevance(model, found.logits)
        results = [
            Reranked(int(index), float(scores[index]), Document(documents[index]) if body.return_documents else None)
            for index in found.order[: body.top_n]
        ]
        meta = {"api_version": {"version": "2"}, "tokens": {"input_tokens": found.tokens, "output_tokens": 0}}
        usage = RerankUsage(found.tokens, found.tokens)
        await exchange.reply(encode(RerankReply(f"rerank-{exchange.request_id}", body.model, results, meta, usage)))


def _text(document: Any, index: int) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    if not isinstance(text, str):
        param = f"documents[{index}]"
        raise InvalidRequest(f"'{param}' must be a text or an object with a 'text'.", param=param)
    if not text:
        param = f"documents[{index}]"
        raise InvalidRequest(f"'{param}' is empty. Leave it out.", param=param)
    return text


def _check_document_length(most: int | None, model: ServedModel) -> None:
    """Refuse a limit below the model's own: what is cut is decided by the model's own length, query included."""
    if most is not None and 0 < most < model.max_tokens:
        raise UnsupportedParameter(
            f"'max_tokens_per_doc' is {most}; documents can only be cut at the {model.max_tokens} tokens that model "
            f"'{model.name}' reads. Leave it out, or ask for {model.max_tokens} or more.",
            param="max_tokens_per_doc",
        )
