"""`generate` and `generate_stream`: one JSON object in, one or many out, without shapes and types.

Source: Triton's generate extension. It demands that `generate` gets exactly one response of the model; for language
models, whose responses are pieces of one answer, the pieces are joined instead.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from argosy.api.http.bodies import Disposition, FieldFact
from argosy.api.http.events import EventStream
from argosy.api.http.exchange import Exchange
from argosy.api.kserve.generate_call import GenerateCall, Identity
from argosy.api.kserve.generation import LanguageModels, generation_facts
from argosy.api.kserve.naming import ModelPaths, naming_version
from argosy.api.kserve.parameters import read_parameters
from argosy.api.kserve.replies import flat_answer
from argosy.api.kserve.values import input_tensor
from argosy.core.errors import InvalidRequest
from argosy.core.models import Task
from argosy.core.tensors import RawTensor
from argosy.runtime.contract import InferRequest
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.infer import TensorInference


class GenerateRoutes:
    """Answers `generate` at once and `generate_stream` as events."""

    def __init__(self, paths: ModelPaths, tensors: TensorInference, language: LanguageModels) -> None:
        self._paths = paths
        self._tensors = tensors
        self._language = language

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        common = [FieldFact(name, Disposition.SUPPORTED) for name in ("id", "parameters")]
        return sorted([*common, *generation_facts()], key=lambda fact: fact.name)

    async def create(self, exchange: Exchange) -> None:
        """One answer."""
        model, version = self._paths.find(exchange)
        sent = GenerateCall.read(await exchange.payload())
        if model.task is Task.GENERATE:
            answer = await self._language.whole(exchange, model, version, sent)
            await exchange.reply(answer)
            return
        call = exchange.call(model)
        request = await self._request(model, version, sent)
        async with aclosing(self._answers(model, request, call, sent.identity)) as answers:
            found = [answer async for answer in _at_most_two(answers)]
        if len(found) != 1:
            raise InvalidRequest(
                f"generate needs exactly one response, and the model '{model.name}' gave {len(found) or 'none'}"
                f"{' or more' if found else ''}. Use /v2/models/{model.name}/generate_stream.",
                param="model",
            )
        await exchange.reply(found[0])

    async def stream(self, exchange: Exchange) -> None:
        """An event for each response; the first is awaited before the reply begins, so that early errors are plain."""
        model, version = self._paths.find(exchange)
        sent = GenerateCall.read(await exchange.payload())
        if model.task is Task.GENERATE:
            source = self._language.pieces(exchange, model, version, sent)
        else:
            call = exchange.call(model)
            request = await self._request(model, version, sent)
            source = self._answers(model, request, call, sent.identity)
        async with aclosing(source) as answers:
            opening = await anext(answers, None)
            async with EventStream(exchange) as stream:
                if opening is not None:
                    await stream.send(_event(opening))
                async for answer in answers:
                    await stream.send(_event(answer))

    async def _answers(
        self, model: ServedModel, request: InferRequest, call: Call, identity: Identity
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._tensors.stream(model, request, call)) as answers:
            async for answer in answers:
                if answer.outputs:
                    yield flat_answer(answer, model.name, identity)

    async def _request(self, model: ServedModel, version: str, sent: GenerateCall) -> InferRequest:
        with naming_version(model, version):
            metadata = await self._tensors.metadata(model, version)
        known = {item["name"]: item for item in metadata["inputs"]}
        inputs: dict[str, RawTensor] = {
            name: input_tensor(known[name]["datatype"], known[name]["shape"], value, name)
            for name, value in sent.fields.items()
            if name in known
        }
        others = {name: value for name, value in sent.fields.items() if name not in known}
        parameters = {**read_parameters(others, ""), **read_parameters(sent.parameters)}
        return InferRequest(model.root, inputs, parameters=parameters, version=version, raw=True)


async def _at_most_two(answers: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    count = 0
    async for answer in answers:
        yield answer
        count += 1
        if count == 2:
            return


def _event(answer: bytes) -> bytes:
    return b"data: " + answer + b"\n\n"
