"""Bodies of `infer` as requests to the runtime: JSON alone, or JSON with the tensors' bytes behind it.

Source: Triton's binary tensor data extension. With the header `Inference-Header-Content-Length: n` the first n bytes
are JSON; the elements of every input with a `binary_data_size` follow in the order of the inputs. With n = 0 there is
no JSON, and the body is the data of the model's only input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from argosy.api.http.bodies import BodyReader, FieldFact
from argosy.api.kserve.elements import encode_elements, flatten
from argosy.api.kserve.messages import DATATYPE_NAMES, InferBody, InferInputBody, InferOutputBody, InputParameters
from argosy.api.kserve.parameters import DEPENDS, REFUSED, read_parameters
from argosy.api.kserve.values import shape_of
from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.core.tensors import RawTensor, check_raw, element_count, raw_dtype
from argosy.runtime.contract import Parameter

LENGTH_HEADER = "inference-header-content-length"
_NO_SHARED_MEMORY = "A client must not open the server's memory; send and ask for binary data."
_REFUSED = {
    "inputs[].parameters.shared_memory_region": _NO_SHARED_MEMORY,
    "outputs[].parameters.shared_memory_region": _NO_SHARED_MEMORY,
    **{f"parameters.{name}": why for name, why in REFUSED.items()},
}
_DEPENDS = {f"parameters.{name}": why for name, why in DEPENDS.items()}
_NOTES = {
    "parameters": "what is not listed goes to the model",
    "parameters.binary_data_output": "for outputs that are not named, or name no `binary_data`",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output as asked for.

    Attributes:
        binary: whether its elements are to follow the JSON.
        classification: number of classes asked for in its place; 0 asks for the tensor.
    """

    binary: bool
    classification: int = 0


@dataclass(frozen=True, slots=True)
class InferCall:
    """A body, understood.

    Attributes:
        identity: the client's own id of the request, to be repeated in the answer.
        outputs: what is asked for by name; empty asks for every output.
        binary: whether outputs that are not named are to follow the JSON.
        unknown: fields of the body that mean nothing here.
    """

    identity: str | None
    inputs: Mapping[str, RawTensor]
    outputs: Mapping[str, Wanted]
    parameters: Mapping[str, Parameter]
    binary: bool
    unknown: list[str]


class InferReader:
    """Understands bodies that hold JSON; holds nothing of any of them."""

    def __init__(self) -> None:
        self._reader = BodyReader(InferBody, refused=_REFUSED, depends=_DEPENDS, notes=_NOTES)

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    def read(self, body: bytes, header: bytes | None) -> InferCall:
        """What a body asks for. Binary tensors stay where they are: views of the body.

        Args:
            body: as received.
            header: value of `Inference-Header-Content-Length`, or None.

        Raises:
            MalformedBody: the JSON is not strict JSON.
            InvalidRequest: a field is wrong or contradicts another; the message and `param` name it.
            UnsupportedParameter: shared memory is asked for.
        """
        length = _json_length(header, len(body))
        sent, unknown = self._reader.read(body if length == len(body) else body[:length])
        tail = _Tail(memoryview(body)[length:], announced=header is not None)
        inputs: dict[str, RawTensor] = {}
        for index, item in enumerate(sent.inputs):
            at = f"inputs[{index}]"
            if item.name in inputs:
                raise InvalidRequest(f"'{at}.name': the input '{item.name}' was sent twice.", param=f"{at}.name")
            inputs[item.name] = _tensor(item, tail, at)
        tail.finish()
        given = dict(sent.parameters or {})
        binary = given.pop("binary_data_output", False)
        if type(binary) is not bool:
            at = "parameters.binary_data_output"
            raise InvalidRequest(f"'{at}' must be true or false.", param=at)
        outputs = _outputs(sent.outputs or [], default=binary)
        return InferCall(sent.id, inputs, outputs, read_parameters(given), binary, unknown)


def read_bare(body: bytes, metadata: Mapping[str, Any]) -> InferCall:
    """What a body without JSON asks for: every output, in binary. A text is one element, without its length.

    Args:
        body: as received.
        metadata: of the model; it must have one input.

    Raises:
        InvalidRequest: the model has several inputs, or its input cannot have so many bytes.
    """
    inputs = metadata["inputs"]
    if len(inputs) != 1:
        raise InvalidRequest(
            f"The model '{metadata['name']}' has {len(inputs)} inputs; a body without JSON ({LENGTH_HEADER}: 0) is for "
            "models with one.",
            param=LENGTH_HEADER,
        )
    name, datatype, shape = inputs[0]["name"], inputs[0]["datatype"], inputs[0]["shape"]
    if datatype == "BYTES":
        tensor = RawTensor(datatype, shape_of(shape, 1), len(body).to_bytes(4, "little") + body)
    else:
        count, rest = divmod(len(body), raw_dtype(datatype).itemsize)
        if rest:
            raise InvalidRequest(
                f"The body of {len(body)} bytes is no whole number of elements of the {datatype} input '{name}'.",
                param=name,
            )
        tensor = RawTensor(datatype, shape_of(shape, count), body)
    return InferCall(None, {name: tensor}, {}, {}, binary=True, unknown=[])


class _Tail:
    """The bytes behind the JSON, handed out in order."""

    __slots__ = ("_announced", "_at", "_data")

    def __init__(self, data: memoryview, *, announced: bool) -> None:
        self._data = data
        self._announced = announced
        self._at = 0

    def take(self, size: int, at: str) -> memoryview:
        """The next `size` bytes.

        Raises:
            InvalidRequest: there are not so many.
        """
        left = len(self._data) - self._at
        if size > left:
            why = f"{left} bytes are left of the body" if self._announced else f"the header {LENGTH_HEADER} is missing"
            raise InvalidRequest(f"'{at}' is {size}, but {why}.", param=at)
        start, self._at = self._at, self._at + size
        return self._data[start : self._at]

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            InvalidRequest: bytes follow that no input announced.
        """
        left = len(self._data) - self._at
        if left:
            raise InvalidRequest(
                f"The body has {left} bytes more than its inputs announce in binary_data_size.", param="inputs"
            )


def _json_length(header: bytes | None, size: int) -> int:
    if header is None:
        return size
    if not header.isdigit() or len(header) > 12 or int(header) > size:
        raise InvalidRequest(
            f"{LENGTH_HEADER} must be the length of the body's JSON, a whole number up to the body's {size} bytes.",
            param=LENGTH_HEADER,
        )
    return int(header)


def _tensor(item: InferInputBody, tail: _Tail, at: str) -> RawTensor:
    parameters = item.parameters or InputParameters()
    if parameters.shared_memory_region is not None:
        raise _no_shared_memory(at)
    size = parameters.binary_data_size
    if (item.data is None) == (size is None):
        raise InvalidRequest(f"'{at}' must have either data or the parameter binary_data_size.", param=f"{at}.data")
    if item.datatype not in DATATYPE_NAMES:
        at = f"{at}.datatype"
        raise InvalidRequest(f"'{at}' is not a datatype. Use one of {', '.join(DATATYPE_NAMES)}.", param=at)
    shape = tuple(item.shape)
    with _placed(f"{at}.shape"):
        element_count(shape, item.name)
    if size is None:
        values = flatten(item.data, item.shape, f"{at}.data")
        return RawTensor(item.datatype, shape, encode_elements(item.datatype, values, f"{at}.data"))
    tensor = RawTensor(item.datatype, shape, tail.take(size, f"{at}.parameters.binary_data_size"))
    with _placed(at):
        check_raw(tensor, item.name)
    return tensor


@contextmanager
def _placed(at: str) -> Iterator[None]:
    """Errors that name the tensor name its place in the body as well."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"'{at}': {error.message}", param=at) from None


def _outputs(items: list[InferOutputBody], *, default: bool) -> dict[str, Wanted]:
    outputs: dict[str, Wanted] = {}
    for index, item in enumerate(items):
        at = f"outputs[{index}]"
        if item.name in outputs:
            raise InvalidRequest(f"'{at}.name': the output '{item.name}' is asked for twice.", param=f"{at}.name")
        parameters = item.parameters
        if parameters is None:
            outputs[item.name] = Wanted(default)
            continue
        if parameters.shared_memory_region is not None:
            raise _no_shared_memory(at)
        binary = default if parameters.binary_data is None else parameters.binary_data
        outputs[item.name] = Wanted(binary, parameters.classification or 0)
    return outputs


def _no_shared_memory(at: str) -> UnsupportedParameter:
    param = f"{at}.parameters.shared_memory_region"
    return UnsupportedParameter(
        f"'{param}': shared memory is not offered here. Send and ask for binary data.", param=param
    )
