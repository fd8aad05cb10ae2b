"""The routes of the OpenAI dialect, the busiest first."""

from __future__ import annotations

from typing import Protocol

import msgspec

from argosy.api.http.bodies import FieldFact
from argosy.api.http.exchange import Exchange
from argosy.api.http.routes import RouteSpec
from argosy.api.openai.chat import ChatBody, ChatCompletions
from argosy.api.openai.classify import ClassifyBody, ClassifyRoute
from argosy.api.openai.completions import CompletionBody, Completions
from argosy.api.openai.embeddings import EmbeddingBody, EmbeddingRoute
from argosy.api.openai.errors import ERRORS
from argosy.api.openai.models import ModelRoutes
from argosy.api.openai.replies import (
    ChatCompletion,
    ClassificationList,
    EmbeddingList,
    ModelCard,
    ModelList,
    TextCompletion,
)
from argosy.api.openai.tokenize import DetokenizeBody, DetokenizeReply, TokenizeBody, TokenizeReply, TokenizeRoutes
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.plane import DataPlane
from argosy.server.text.templates import ChatTemplates
from argosy.server.text.tokenize import TextTokenizers

_TAG = "OpenAI"


class OpenAIRoutes:
    """Builds the dialect's routes over the server."""

    def __init__(
        self, catalog: Catalog, plane: DataPlane, templates: ChatTemplates, tokenizers: TextTokenizers
    ) -> None:
        self._embeddings = EmbeddingRoute(catalog, plane.embedder)
        self._chat = ChatCompletions(catalog, plane.generator, templates)
        self._completions = Completions(catalog, plane.generator)
        self._classify = ClassifyRoute(catalog, plane.classifier)
        self._models = ModelRoutes(catalog)
        self._tokenize = TokenizeRoutes(catalog, tokenizers, templates)

    def routes(self) -> list[RouteSpec]:
        """All of them."""
        tokens = self._tokenize
        return [
            _post("/v1/embeddings", self._embeddings, "Texts to vectors", EmbeddingBody, EmbeddingList),
            _post("/v1/chat/completions", self._chat, "Answer a conversation", ChatBody, ChatCompletion, streams=True),
            _post(
                "/v1/completions", self._completions, "Continue a prompt", CompletionBody, TextCompletion, streams=True
            ),
            _post("/v1/classify", self._classify, "Classify texts", ClassifyBody, ClassificationList),
            RouteSpec(
                "POST",
                "/tokenize",
                tokens.tokenize,
                "Texts to token ids",
                _TAG,
                ERRORS,
                TokenizeReply,
                TokenizeBody,
                fields=tuple(tokens.fields()),
            ),
            RouteSpec(
                "POST",
                "/detokenize",
                tokens.detokenize,
                "Token ids to text",
                _TAG,
                ERRORS,
                DetokenizeReply,
                DetokenizeBody,
                fields=tuple(tokens.detokenize_fields()),
            ),
            RouteSpec("GET", "/v1/models", self._models.list, "List the models", _TAG, ERRORS, ModelList),
            RouteSpec("GET", "/v1/models/{model}", self._models.get, "Describe a model", _TAG, ERRORS, ModelCard),
        ]


class _Creates(Protocol):
    """An endpoint that creates something from a body whose fields it knows."""

    async def create(self, exchange: Exchange) -> None: ...

    def fields(self) -> list[FieldFact]: ...


def _post(
    path: str,
    route: _Creates,
    summary: str,
    body: type[msgspec.Struct],
    reply: type[msgspec.Struct],
    *,
    streams: bool = False,
) -> RouteSpec:
    facts = tuple(route.fields())
    return RouteSpec("POST", path, route.create, summary, _TAG, ERRORS, reply, body, streams=streams, fields=facts)
