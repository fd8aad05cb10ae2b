"""`GET /v1/models` and `GET /v1/models/{model}`."""

from __future__ import annotations

import hashlib

from argosy.api.http.exchange import Exchange
from argosy.api.openai.replies import ModelCard, ModelList, ModelPermission, encode
from argosy.server.catalog.catalog import Catalog, ServedModel


class ModelRoutes:
    """Lists what is served."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def list(self, exchange: Exchange) -> None:
        """Every model, language models first, because clients without a choice take the first."""
        await exchange.reply(encode(ModelList("list", [_card(model) for model in self._catalog.models])))

    async def get(self, exchange: Exchange) -> None:
        """One model."""
        await exchange.reply(encode(_card(self._catalog.get(exchange.path_params["model"]))))


def _card(model: ServedModel) -> ModelCard:
    permission = ModelPermission(f"modelperm-{_digest(model.name)}", "model_permission", model.created)
    parent = None if model.name == model.root else model.root
    return ModelCard(
        model.name,
        "model",
        model.created,
        "system",
        model.root,
        parent,
        model.max_tokens,
        [permission],
        str(model.task),
    )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]
