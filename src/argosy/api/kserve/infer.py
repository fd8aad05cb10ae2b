"""`POST /v2/models/{model}[/versions/{version}]/infer`."""

from __future__ import annotations

import asyncio

from argosy.api.http.bodies import FieldFact
from argosy.api.http.exchange import Exchange
from argosy.api.kserve.naming import ModelPaths, naming_version
from argosy.api.kserve.replies import encode_answer
from argosy.api.kserve.requests import LENGTH_HEADER, InferCall, InferReader, read_bare
from argosy.core.models import Task
from argosy.runtime.contract import InferRequest
from argosy.runtime.failures import streams_only
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.infer import TensorInference, usage_of

# Reading this much JSON takes long enough for other requests to notice.
_LARGE = 1 << 18
_NO_JSON = b"0"


class InferRoute:
    """Tensors in, tensors out, for models of every task."""

    def __init__(self, paths: ModelPaths, tensors: TensorInference) -> None:
        self._paths = paths
        self._tensors = tensors
        self._reader = InferReader()

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    async def create(self, exchange: Exchange) -> None:
        """One request, one answer."""
        model, version = self._paths.find(exchange)
        body = await exchange.payload()
        header = exchange.header(LENGTH_HEADER.encode())
        if header == _NO_JSON:
            with naming_version(model, version):
                sent = read_bare(body, await self._tensors.metadata(model, version))
        elif len(body) > _LARGE:
            sent = await asyncio.to_thread(self._reader.read, body, header)
        else:
            sent = self._reader.read(body, header)
        if sent.unknown:
            exchange.warn(sent.unknown)
        if model.task is Task.GENERATE:
            # The runtime would say the same, after the request had waited for its turn.
            raise streams_only(model.name)
        call = exchange.call(model)
        with naming_version(model, version):
            answer = await self._tensors.infer(model, _request(sent, model, version), call)
        usage = usage_of(model, answer)
        exchange.count(usage.prompt, usage.output)
        content, content_type, headers = encode_answer(answer, sent, model.name)
        await exchange.reply(content, headers=headers, content_type=content_type)


def _request(sent: InferCall, model: ServedModel, version: str) -> InferRequest:
    classes = {
        name: {"classification": wanted.classification}
        for name, wanted in sent.outputs.items()
        if wanted.classification
    }
    return InferRequest(
        model.root,
        sent.inputs,
        outputs=tuple(sent.outputs),
        parameters=sent.parameters,
        version=version,
        raw=True,
        output_parameters=classes,
    )
