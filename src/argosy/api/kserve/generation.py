"""Language models behind the generate extension: prompt and sampling fields in, text out.

The fields are the tensors of `engines.contract` (`text_input` or `input_ids`, `sampling_parameters`) and, flat or
inside of `parameters`, the fields of `sampling_parameters` themselves, as clients of Triton's vLLM and TensorRT-LLM
models send them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import fields, replace
from typing import Any

import msgspec
import numpy as np

from argosy.api.http.bodies import Disposition, FieldFact, Refusal, parse
from argosy.api.http.exchange import Exchange
from argosy.api.kserve.elements import encode_elements
from argosy.api.kserve.generate_call import GenerateCall
from argosy.api.kserve.naming import naming_version
from argosy.api.kserve.replies import to_json
from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.core.tensors import Tensor
from argosy.engines.contract import Chunk, Constraint, Feature, GenerationRequest, Sampling
from argosy.runtime.requests import decode_generation, encode_chunk
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.generate import Generator
from argosy.server.dataplane.infer import TensorInference

_PROMPTS = ("text_input", "input_ids")
_SAMPLING = "sampling_parameters"
_SAMPLING_FIELDS = frozenset(field.name for field in fields(Sampling))
_EITHER = (True, False, None)
# Fields of Triton's vLLM backend that ask for what is done here anyway, or for nothing.
_GRANTED: Mapping[str, Refusal] = {
    "stream": Refusal(_EITHER, "taken; the route decides"),
    "streaming": Refusal(_EITHER, "taken; the route decides"),
    "exclude_input_in_output": Refusal((True, None), "Only true: the answer never repeats its prompt."),
    "return_finish_reason": Refusal(_EITHER, "taken; the reason is always told"),
    "return_num_input_tokens": Refusal(_EITHER, "taken; the number is always told"),
    "return_num_output_tokens": Refusal(_EITHER, "taken; the number is always told"),
    "return_cumulative_logprob": Refusal((False, None), "Add up what 'logprobs' tells."),
}
_encode = msgspec.json.Encoder().encode


class LanguageModels:
    """Runs generations through the same door as every other dialect: the same admission, bounds and counts."""

    def __init__(self, generator: Generator, tensors: TensorInference) -> None:
        self._generator = generator
        self._tensors = tensors

    async def whole(
        self,
        exchange: Exchange,
        model: ServedModel,
        version: str,
        sent: GenerateCall,
    ) -> bytes:
        """The answer in one piece, as JSON.

        Raises:
            InvalidRequest: a field is wrong; `param` names it.
            Unavailable, DeadlineExceeded, EngineError: as the runtime's contract says.
        """
        head, chunks = await self._begin(exchange, model, version, sent)
        texts: list[str] = []
        logprobs: list[Any] = []
        last = Chunk()
        async with aclosing(chunks):
            async for chunk in chunks:
                texts.append(chunk.text)
                logprobs += chunk.logprobs
                last = chunk
        return to_json({**head, **_values(replace(last, text="".join(texts), logprobs=tuple(logprobs)))})

    async def pieces(
        self,
        exchange: Exchange,
        model: ServedModel,
        version: str,
        sent: GenerateCall,
    ) -> AsyncGenerator[bytes, None]:
        """The answer as it comes, each piece as JSON; see `whole`."""
        head, chunks = await self._begin(exchange, model, version, sent)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield to_json({**head, **_values(chunk)})

    async def _begin(
        self,
        exchange: Exchange,
        model: ServedModel,
        version: str,
        sent: GenerateCall,
    ) -> tuple[dict[str, Any], AsyncGenerator[Chunk, None]]:
        request, unknown = read_generation(sent.fields, sent.parameters)
        if unknown:
            exchange.warn(unknown)
        call = exchange.call(model)
        with naming_version(model, version):
            served = (await self._tensors.metadata(model, version))["versions"]
        head: dict[str, Any] = {"model_name": model.name, "model_version": version or max(served, key=int)}
        if sent.identity is not None:
            head["id"] = sent.identity

        async def chunks() -> AsyncGenerator[Chunk, None]:
            async with aclosing(self._generator.generate(model, [request], call)) as numbered:
                async for _, chunk in numbered:
                    yield chunk
                    if chunk.last:
                        exchange.count(chunk.num_input_tokens, chunk.num_output_tokens)

        return head, chunks()


def generation_facts() -> list[FieldFact]:
    """What becomes of each member of a body that is for a language model, `id` and `parameters` apart."""
    features = {feature.value for feature in Feature}
    constraint = [f"constraint.{field.name}" for field in fields(Constraint)]
    facts = [
        FieldFact("text_input", Disposition.SUPPORTED, "one text"),
        FieldFact("input_ids", Disposition.SUPPORTED, "in place of `text_input`"),
        FieldFact(_SAMPLING, Disposition.SUPPORTED, "an object, or its JSON as text"),
    ]
    for name in (*_SAMPLING_FIELDS, *constraint):
        feature = name.partition(".")[0]
        needs = f"needs an engine with the feature {feature}" if feature in features else ""
        facts.append(FieldFact(f"{_SAMPLING}.{name}", Disposition.DEPENDS if needs else Disposition.SUPPORTED, needs))
    for name, refusal in _GRANTED.items():
        whole = refusal.harmless == _EITHER
        facts.append(FieldFact(name, Disposition.SUPPORTED if whole else Disposition.REFUSED, refusal.reason))
    return facts


def read_generation(given: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[GenerationRequest, list[str]]:
    """The generation that the members of a body spell, and the names of those that mean nothing.

    A sampling field may stand in `sampling_parameters` (an object, or its JSON as text), in `parameters` and beside
    them; the last of these wins.

    Raises:
        InvalidRequest: a field is missing or has a wrong type or value; `param` names it.
        UnsupportedParameter: a field asks for what is not done here.
    """
    sampling = _object(given.get(_SAMPLING))
    unknown = []
    for name, value in (*parameters.items(), *given.items()):
        if name in _SAMPLING_FIELDS:
            if value is not None:
                sampling[name] = value
        elif name in _GRANTED:
            if not any(value is granted for granted in _GRANTED[name].harmless):
                raise UnsupportedParameter(f"'{name}' cannot be {value!r:.32} here. Leave it out.", param=name)
        elif name not in (*_PROMPTS, _SAMPLING):
            unknown.append(name)
    inputs: dict[str, Tensor] = {}
    if given.get("text_input") is not None:
        inputs["text_input"] = _texts(given["text_input"], "text_input")
    if given.get("input_ids") is not None:
        inputs["input_ids"] = _token_ids(given["input_ids"])
    if sampling:
        inputs[_SAMPLING] = np.array([_encode(sampling)], dtype=np.object_)
    return decode_generation(inputs), sorted(unknown)


def _object(value: Any) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    # As strict with the text as with the body it stands in.
    found = parse(value.encode()) if isinstance(value, str) else value
    if type(found) is not dict:
        raise InvalidRequest(f"'{_SAMPLING}' must be a JSON object.", param=_SAMPLING)
    return found


def _texts(value: Any, at: str) -> Tensor:
    texts = value if type(value) is list else [value]
    if len(texts) != 1 or type(texts[0]) is not str:
        raise InvalidRequest(f"'{at}' must be one text.", param=at)
    return np.array([texts[0].encode()], dtype=np.object_)


def _token_ids(value: Any) -> Tensor:
    if type(value) is not list:
        raise InvalidRequest("'input_ids' must be a list of token ids.", param="input_ids")
    return np.frombuffer(encode_elements("INT32", value, "input_ids"), dtype=np.int32)


def _values(chunk: Chunk) -> dict[str, Any]:
    tensors = encode_chunk(chunk, counts=chunk.num_output_tokens > 0)
    return {name: _value(tensor.item()) for name, tensor in tensors.items()}


def _value(item: Any) -> Any:
    return item.decode() if isinstance(item, bytes) else item
