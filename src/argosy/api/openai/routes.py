"""The routes of the OpenAI dialect, the busiest first."""

from __future__ import annotations

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
        return [
            RouteSpec(
                "POST",
                "/v1/embeddings",
                self._embeddings.create,
                "Texts to vectors",
                _TAG,
                ERRORS,
                EmbeddingList,
                EmbeddingBody,
                fields=tuple(self._embeddings.fields()),
            ),
            RouteSpec(
                "POST",
                "/v1/chat/completions",
                self._chat.create,
                "Answer a conversation",
                _TAG,
                ERRORS,
                ChatCompletion,
                ChatBody,
                streams=True,
                fields=tuple(self._chat.fields()),
            ),
            RouteSpec(
                "POST",
                "/v1/completions",
                self._completions.create,
                "Continue a prompt",
                _TAG,
                ERRORS,
                TextCompletion,
                CompletionBody,
                streams=True,
                fields=tuple(self._completions.fields()),
            ),
            RouteSpec(
                "POST",
                "/v1/classify",
                self._classify.create,
                "Classify texts",
                _TAG,
                ERRORS,
                ClassificationList,
                ClassifyBody,
                fields=tuple(self._classify.fields()),
            ),
            RouteSpec(
                "POST",
                "/tokenize",
                self._tokenize.tokenize,
                "Texts to token ids",
                _TAG,
                ERRORS,
                TokenizeReply,
                TokenizeBody,
                fields=tuple(self._tokenize.fields()),
            ),
            RouteSpec(
                "POST",
                "/detokenize",
                self._tokenize.detokenize,
                "Token ids to text",
                _TAG,
                ERRORS,
                DetokenizeReply,
                DetokenizeBody,
            ),
            RouteSpec("GET", "/v1/models", self._models.list, "List the models", _TAG, ERRORS, ModelList),
            RouteSpec("GET", "/v1/models/{model}", self._models.get, "Describe a model", _TAG, ERRORS, ModelCard),
        ]
