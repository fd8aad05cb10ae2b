"""`POST /v1/classify`, in vLLM's form."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from argosy.api.http.bodies import BodyReader, FieldFact
from argosy.api.http.exchange import Exchange
from argosy.api.openai.fields import NOTES
from argosy.api.openai.replies import ClassificationList, Classified, Usage, encode
from argosy.core.errors import EngineError
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.classify import Classifier

_MOST_INPUTS = 2048
_Text = Annotated[str, Meta(min_length=1)]


class ClassifyBody(msgspec.Struct, frozen=True, kw_only=True):
    """The request."""

    model: str
    input: _Text | Annotated[list[_Text], Meta(min_length=1, max_length=_MOST_INPUTS)]
    truncate: Literal["NONE", "START", "END"] | None = None
    user: str | None = None


class ClassifyRoute:
    """Says which class each text belongs to."""

    def __init__(self, catalog: Catalog, classifier: Classifier) -> None:
        self._catalog = catalog
        self._classifier = classifier
        self._reader = BodyReader(ClassifyBody, notes=NOTES)

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    async def create(self, exchange: Exchange) -> None:
        """Classes and probabilities of every text."""
        exchange.fields = {"text": "input"}
        body = await exchange.read(self._reader)
        model = self._catalog.resolve(body.model, Task.CLASSIFY).model
        texts = [body.input] if isinstance(body.input, str) else body.input
        found = await self._classifier.classify(model, texts, exchange.call(model), truncate=body.truncate)
        labels = model.spec.labels
        if found.probabilities.shape[1] != len(labels):
            raise EngineError(f"Model '{model.name}' has {len(labels)} labels for another number of classes.")
        data = [
            Classified(index, labels[int(row.argmax())], row.tolist(), len(labels))
            for index, row in enumerate(found.probabilities)
        ]
        exchange.count(found.tokens)
        identity, usage = f"classify-{exchange.request_id}", Usage.of(found.tokens, 0)
        await exchange.reply(encode(ClassificationList(identity, "list", int(time.time()), body.model, data, usage)))
