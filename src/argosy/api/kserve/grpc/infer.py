"""`ModelInfer`: one request, one answer."""

from __future__ import annotations

from argosy.api.kserve.grpc.exchange import Exchange
from argosy.api.kserve.grpc.messages import encode_answer, open_infer, read_infer
from argosy.api.kserve.naming import naming_version
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.infer import TensorInference, usage_of


class InferMethod:
    """Tensors in, tensors out, for models of every task."""

    def __init__(self, catalog: Catalog, tensors: TensorInference) -> None:
        self._catalog = catalog
        self._tensors = tensors

    async def answer(self, exchange: Exchange, data: bytes) -> bytes:
        """The answer to a `ModelInferRequest`."""
        asked = read_infer(open_infer(data))
        model = self._catalog.get(asked.model)
        call = exchange.call(model, len(data))
        with naming_version(model, asked.request.version):
            answer = await self._tensors.infer(model, asked.request, call)
        usage = usage_of(model, answer)
        exchange.count(usage.prompt, usage.output)
        return encode_answer(answer, asked)
