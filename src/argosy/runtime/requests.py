"""Generation requests and chunks as tensors, in both directions.

The tensors are those of Triton's vLLM backend (`text_input`, `sampling_parameters`, `text_output`, …), so that its
clients work unchanged; `sampling_parameters` is a JSON object with the fields of `engines.contract.Sampling`, and
`logprobs` a JSON list of objects with those of `TokenLogprob`, whose `token` is base64. Encoding and decoding of
chunks run once per token chunk and do no more than they must.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
import numpy as np

from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.core.tensors import RawTensor, Tensor
from argosy.engines.contract import Chunk, Constraint, ConstraintKind, GenerationRequest, Sampling, TokenLogprob

# A BYTES element stands after its length, a 32-bit integer.
_LENGTH_BYTES = 4
_Stop = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_Stops = Annotated[tuple[_Stop, ...], msgspec.Meta(max_length=16)]
_Seed = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Token = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
_Bias = Annotated[float, msgspec.Meta(ge=-100, le=100)]
_Biases = Annotated[dict[_Token, _Bias], msgspec.Meta(max_length=1024)]


class _ConstraintWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`Constraint` as JSON."""

    kind: ConstraintKind
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1 << 16)]


class _SamplingWire(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`Sampling` as JSON: the same names and defaults, with the bounds that hold for every engine."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    min_tokens: _Count = 0
    temperature: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    top_k: Annotated[int, msgspec.Meta(ge=-1)] = 0
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    presence_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] = 0.0
    seed: _Seed | None = None
    stop: _Stop | _Stops = ()
    ignore_eos: bool = False
    add_special_tokens: bool = True
    include_stop: bool = False
    min_p: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    logprobs: bool = False
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] = 0
    logit_bias: _Biases = {}
    constraint: _ConstraintWire | None = None
    counts: bool = False


_decode_sampling = msgspec.json.Decoder(_SamplingWire).decode
_decode_logprobs = msgspec.json.Decoder(tuple[TokenLogprob, ...]).decode
_encode_json = msgspec.json.Encoder().encode
_PATH = re.compile(
    r"(?P<reason>.*?)(?: - at (?:`key` in )?`\$\.?(?P<field>[\w.]*(?:\[\d+\])?)(?:\[\.\.\.\])?`)?", re.DOTALL
)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_DEFAULTS = Sampling()


def decode_generation(inputs: Mapping[str, Tensor]) -> GenerationRequest:
    """The request that the input tensors spell.

    Args:
        inputs: `text_input` BYTES [1] or `input_ids` INT32 [n], and optionally `sampling_parameters` BYTES [1];
            a leading dimension of 1 is accepted.

    Raises:
        InvalidRequest: a tensor is missing or wrong, or a sampling field has a wrong type or value; `param` names it.
        UnsupportedParameter: a sampling field that does not exist.
    """
    return GenerationRequest(_prompt(inputs), _sampling(inputs))


def encode_generation(request: GenerationRequest) -> dict[str, Tensor]:
    """The inverse of `decode_generation`."""
    if isinstance(request.prompt, str):
        tensors = {"text_input": _bytes(request.prompt.encode())}
    else:
        tensors = {"input_ids": np.ascontiguousarray(request.prompt, dtype=np.int32)}
    if request.sampling != _DEFAULTS:
        tensors["sampling_parameters"] = _bytes(_encode_json(request.sampling))
    return tensors


def encode_chunk(chunk: Chunk, *, counts: bool = False) -> dict[str, Tensor]:
    """The output tensors of a chunk that holds no error.

    `text_output` is always there. The rest is left out where it says nothing, `logprobs` without any and what stands
    only at the end before it, because every tensor of a response costs as much as its text.

    Args:
        chunk: its `error` is None.
        counts: tell the token counts although the chunk is not the last.
    """
    tensors = {"text_output": _bytes(chunk.text.encode())}
    if chunk.logprobs:
        tensors["logprobs"] = _bytes(_encode_json(chunk.logprobs))
    if chunk.finish_reason is not None:
        tensors["finish_reason"] = _bytes(chunk.finish_reason.encode())
    if counts or chunk.finish_reason is not None:
        tensors["num_input_tokens"] = np.array([chunk.num_input_tokens], dtype=np.int32)
        tensors["num_output_tokens"] = np.array([chunk.num_output_tokens], dtype=np.int32)
    return tensors


def decode_chunk(outputs: Mapping[str, RawTensor]) -> Chunk:
    """The inverse of `encode_chunk` and a raw answer; tensors that are absent leave the chunk's defaults.

    Arrays of one element would cost more than everything else in a token's way through the gateway.
    """
    text = outputs.get("text_output")
    finish_reason = outputs.get("finish_reason")
    logprobs = outputs.get("logprobs")
    return Chunk(
        text="" if text is None else _only(text).decode(),
        finish_reason=None if finish_reason is None else _only(finish_reason).decode() or None,
        num_input_tokens=_count(outputs, "num_input_tokens"),
        num_output_tokens=_count(outputs, "num_output_tokens"),
        logprobs=() if logprobs is None else _decode_logprobs(_only(logprobs)),
    )


def _prompt(inputs: Mapping[str, Tensor]) -> str | Tensor:
    text, ids = inputs.get("text_input"), inputs.get("input_ids")
    if (text is None) == (ids is None):
        raise InvalidRequest("Send either 'text_input' or 'input_ids', and not both.", param="text_input")
    if text is not None:
        return _single_text(text, "text_input")
    assert ids is not None  # noqa: S101 - the branch above leaves nothing else
    if ids.dtype != np.int32 or ids.ndim == 0 or ids.shape[:-1] not in {(), (1,)}:
        raise InvalidRequest("'input_ids' must be INT32 of shape [n].", param="input_ids")
    return ids.reshape(-1)


def _sampling(inputs: Mapping[str, Tensor]) -> Sampling:
    tensor = inputs.get("sampling_parameters")
    if tensor is None:
        return _DEFAULTS
    text = _single_text(tensor, "sampling_parameters")
    if not text:
        return _DEFAULTS
    try:
        wire = _decode_sampling(text)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("'sampling_parameters' must be a JSON object.", param="sampling_parameters") from None
    values = {name: getattr(wire, name) for name in wire.__struct_fields__}
    values["stop"] = (wire.stop,) if isinstance(wire.stop, str) else wire.stop
    values["top_k"] = max(0, wire.top_k)
    if wire.constraint is not None:
        values["constraint"] = Constraint(wire.constraint.kind, wire.constraint.text)
    return Sampling(**values)


def _explained(reason: str) -> InvalidRequest:
    """A decoding error in the caller's words: which field, and what is wrong with it."""
    unknown = _UNKNOWN.match(reason)
    if unknown is not None:
        name = unknown["field"]
        return UnsupportedParameter(f"'sampling_parameters' knows no field '{name}'. Leave it out.", param=name)
    match = _PATH.fullmatch(reason)
    name = (match and match["field"]) or "sampling_parameters"
    words = match["reason"] if match else reason
    return InvalidRequest(f"'{name}': {words.replace('`', '')}.", param=name)


def _single_text(tensor: Tensor, name: str) -> str:
    if tensor.size != 1 or tensor.dtype.kind not in "OS":
        raise InvalidRequest(f"'{name}' must be BYTES of shape [1].", param=name)
    value = tensor.item()
    if isinstance(value, str):
        return value
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(f"'{name}' must be UTF-8.", param=name) from None


def _bytes(value: bytes) -> Tensor:
    tensor = np.empty(1, dtype=np.object_)
    tensor[0] = value
    return tensor


def _only(tensor: RawTensor) -> bytes:
    """The element of a BYTES tensor of one."""
    return bytes(tensor.data[_LENGTH_BYTES:])


def _count(outputs: Mapping[str, RawTensor], name: str) -> int:
    """The element of an INT32 tensor of one."""
    tensor = outputs.get(name)
    return 0 if tensor is None else int.from_bytes(tensor.data, "little", signed=True)
