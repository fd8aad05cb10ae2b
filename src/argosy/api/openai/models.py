"""`GET /v1/models` and `GET /v1/models/{model}`."""

from __future__ import annotations

import hashlib

from argosy.api.http.exchange import Exchange
from argosy.api.openai.replies import ModelCard, ModelList, ModelPermission, encode
from argosy.core.models import Task
from argosy.engines.contract import Feature
from argosy.engines.registry import features
from argosy.server.catalog.catalog import Catalog, ServedModel


class ModelRoutes:
    """Lists what is served."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def list(self, exchange: Exchange) -> None:
        """Every model, language models first, because clients without a choice take the first."""
        models = (exchange.scope_model or self._catalog).models
        await exchange.reply(encode(ModelList("list", [_card(model) for model in models])))

    async def get(self, exchange: Exchange) -> None:
        """One model."""
        models = exchange.scope_model or self._catalog
        await exchange.reply(encode(_card(models.get(exchange.path_params["model"]))))


def _card(model: ServedModel) -> ModelCard:
    told = Feature.LOGPROBS in features(model.spec.engine) and model.task is Task.GENERATE
    identity = f"modelperm-{_digest(model.name)}"
    permission = ModelPermission(identity, "model_permission", model.created, allow_logprobs=told)
    # An adapter points to its base, as in NIM; an alias to what it stands for.
    alias = model.name != model.root
    root = model.root if alias else model.parent or model.root
    parent = model.root if alias else model.parent
    return ModelCard(
        model.name,
        "model",
        model.created,
        "system",
        root,
        parent,
        model.max_tokens,
        [permission],
        str(model.task),
    )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]
