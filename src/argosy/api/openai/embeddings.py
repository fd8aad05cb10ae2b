"""`POST /v1/embeddings`, with NIM's fields."""

from __future__ import annotations

import binascii
from typing import Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta

from argosy.api.http.bodies import BodyReader, FieldFact, Refusal
from argosy.api.http.exchange import Exchange
from argosy.api.openai.fields import NOTES
from argosy.api.openai.inputs import check_token_lists, parse_inputs
from argosy.core.errors import UnsupportedParameter
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.embed import Embedder, Embeddings

_MOST_INPUTS = 2048
_FIELDS = {"text": "input", "token_ids": "input"}
_UNSUPPORTED = {"embedding_type": Refusal((None, "float", ["float"]), "Vectors are float32.")}
_TEXT_ONLY = {"modality": 'Text is all that is read; leave it out or send "text".'}
_INPUT_SCHEMA = {
    "oneOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    ]
}


class EmbeddingBody(msgspec.Struct, frozen=True, kw_only=True):
    """The request."""

    model: str
    input: Annotated[Any, Meta(extra_json_schema=_INPUT_SCHEMA)]
    encoding_format: Literal["float", "base64"] | None = None
    input_type: Literal["query", "passage"] | None = None
    truncate: Literal["NONE", "START", "END"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    modality: str | list[str] | None = None
    user: str | None = None


class EmbeddingRoute:
    """Turns texts into vectors."""

    def __init__(self, catalog: Catalog, embedder: Embedder) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._reader = BodyReader(EmbeddingBody, _UNSUPPORTED, refused=_TEXT_ONLY, notes=NOTES)

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    async def create(self, exchange: Exchange) -> None:
        """One vector an input."""
        exchange.fields = _FIELDS
        body = await exchange.read(self._reader)
        named = self._catalog.resolve(body.model, Task.EMBED)
        inputs = parse_inputs(body.input, "input", _MOST_INPUTS)
        if body.truncate in {None, "NONE"}:
            check_token_lists(inputs, "input", named.model.max_tokens)
        _check_modality(body.modality)
        found = await self._embedder.embed(
            named.model,
            inputs,
            exchange.call(named.model),
            truncate=body.truncate,
            input_type=body.input_type or named.input_type,
            dimensions=body.dimensions,
        )
        exchange.count(found.tokens)
        await exchange.reply(_encode(found, body.model, base64=body.encoding_format == "base64"))


def _encode(found: Embeddings, model: str, *, base64: bool) -> bytes:
    # `binascii` and orjson's NumPy support read the rows where they lie.
    rows = [binascii.b2a_base64(row, newline=False).decode() for row in found.vectors] if base64 else found.vectors
    return orjson.dumps(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
            "model": model,
            "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens},
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def _check_modality(modality: str | list[str] | None) -> None:
    wanted = [modality] if isinstance(modality, str) else modality or []
    if any(item != "text" for item in wanted):
        raise UnsupportedParameter("'modality' can only be 'text' with this model.", param="modality")
