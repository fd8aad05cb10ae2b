"""Any network as it is: inputs and outputs have the names, types and shapes that the network gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from argosy.core.errors import EngineError, InvalidModelEntry, InvalidRequest
from argosy.core.models import ModelSpec
from argosy.core.tensors import DATATYPES, Tensor, datatype_of
from argosy.engines.contract import EngineOptions, TensorRequest, TensorResult
from argosy.engines.openvino.device import DeviceOptions, compile_network, read_network
from argosy.engines.openvino.execution import Executor
from argosy.engines.openvino.libraries import load


@dataclass(frozen=True, slots=True)
class Port:
    """An input of the network; None stands for a dimension of any size."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None

    def check(self, tensor: Tensor) -> None:
        """Refuse a tensor that the network would not take.

        Raises:
            InvalidRequest: its type or shape is wrong; `param` is the input's name.
        """
        if tensor.dtype != self.dtype:
            given, wanted_type = datatype_of(tensor), datatype_of(np.empty(0, self.dtype))
            raise InvalidRequest(
                f"The tensor '{self.name}' is {given}; the model takes {wanted_type}.", param=self.name
            )
        if self.shape is not None and not _fits(tensor.shape, self.shape):
            wanted = [-1 if size is None else size for size in self.shape]
            raise InvalidRequest(
                f"The tensor '{self.name}' has shape {list(tensor.shape)}; the model takes {wanted}.", param=self.name
            )


class PlainNetwork:
    """Serves task `tensor`.

    With a `max_batch_size` and a network whose first dimensions are open, requests of equal shapes run as one batch;
    otherwise each runs by itself, several at once. Deployment options: `DeviceOptions`.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._options = options
        self._executor: Executor | None = None
        self._ports: dict[str, Port] = {}
        self._batches = False

    def start(self) -> None:
        """Read and compile the network, and run it once where its shapes are known."""
        device = DeviceOptions.of(self._spec, self._options)
        core = load("openvino").Core()
        network = read_network(core, self._options.directory, self._spec.model)
        self._ports = {port.name: port for port in map(_port, network.inputs)}
        names = [_name(output, f"output_{index}") for index, output in enumerate(network.outputs)]
        first_sizes = [_sizes(port) for port in (*network.inputs, *network.outputs)]
        self._batches = self._options.max_batch_size > 0 and all(sizes and sizes[0] is None for sizes in first_sizes)
        compiled = compile_network(core, network, device, self._spec.name)
        executor = Executor(compiled, names, device.streams)
        self._warm_up(executor, device.streams)
        self._executor = executor

    def stop(self) -> None:
        """Drop the network."""
        self._executor = None

    def metrics(self) -> Mapping[str, float]:
        """Nothing that Triton does not already count."""
        return {}

    def infer(self, requests: Sequence[TensorRequest]) -> list[TensorResult]:
        """Run the requests, together where their shapes allow it."""
        if self._executor is None:
            return [EngineError("The OpenVINO engine is not running.") for _ in requests]
        results: list[TensorResult | None] = [self._refusal(request) for request in requests]
        accepted = [index for index, refusal in enumerate(results) if refusal is None]
        groups = self._groups(requests, accepted)
        outputs = self._executor.run(_join([requests[index] for index in group]) for group in groups)
        for group, output in zip(groups, outputs, strict=True):
            for index, result in zip(group, self._split(requests, group, output), strict=True):
                results[index] = result
        return [result for result in results if result is not None]

    def _refusal(self, request: TensorRequest) -> InvalidRequest | None:
        try:
            self._check(request)
        except InvalidRequest as error:
            return error
        return None

    def _check(self, request: TensorRequest) -> None:
        for name in request.inputs:
            if name not in self._ports:
                raise InvalidRequest(f"The model has no input '{name}'; it has {[*self._ports]}.", param=name)
        for name, port in self._ports.items():
            if name not in request.inputs:
                raise InvalidRequest(f"The input '{name}' is missing.", param=name)
            port.check(request.inputs[name])
        if self._batches and len({len(tensor) for tensor in request.inputs.values()}) > 1:
            raise InvalidRequest("The inputs have different numbers of rows.", param=next(iter(request.inputs)))

    def _groups(self, requests: Sequence[TensorRequest], accepted: Sequence[int]) -> list[list[int]]:
        """Indices of requests that run as one batch."""
        if not self._batches:
            return [[index] for index in accepted]
        groups: dict[Any, list[int]] = {}
        for index in accepted:
            tensors = requests[index].inputs
            groups.setdefault(tuple(tensors[name].shape[1:] for name in self._ports), []).append(index)
        return [*groups.values()]

    def _split(
        self, requests: Sequence[TensorRequest], group: Sequence[int], output: Mapping[str, Tensor] | RuntimeError
    ) -> list[TensorResult]:
        """Each request's share of a batch's outputs; a failed batch is tried again request by request."""
        assert self._executor is not None  # noqa: S101 - `infer` sees to it
        if isinstance(output, RuntimeError):
            if len(group) == 1:
                return [EngineError("OpenVINO failed to run this input. The server's log has the cause.")]
            alone = self._executor.run(_join([requests[index]]) for index in group)
            return [self._split(requests, [index], one)[0] for index, one in zip(group, alone, strict=True)]
        if len(group) == 1:
            return [output]
        ends = np.cumsum([len(next(iter(requests[index].inputs.values()))) for index in group])[:-1]
        shares = {name: np.split(tensor, ends) for name, tensor in output.items()}
        return [{name: share[row] for name, share in shares.items()} for row in range(len(group))]

    def _warm_up(self, executor: Executor, streams: int) -> None:
        """One run a stream with zeros; an open first dimension counts as 1, and other open dimensions prevent it."""
        shapes = {}
        for port in self._ports.values():
            if port.shape is None or None in port.shape[1:]:
                return
            shapes[port.name] = tuple(size or 1 for size in port.shape)
        zeros = {name: np.zeros(shape, self._ports[name].dtype) for name, shape in shapes.items()}
        executor.run([zeros] * streams)


def _join(requests: Sequence[TensorRequest]) -> dict[str, Tensor]:
    if len(requests) == 1:
        return {name: np.ascontiguousarray(tensor) for name, tensor in requests[0].inputs.items()}
    return {name: np.concatenate([request.inputs[name] for request in requests]) for name in requests[0].inputs}


def _port(port: Any) -> Port:
    name, dtype = _name(port, ""), port.get_element_type().to_dtype()
    if not name or dtype not in DATATYPES.values():
        raise InvalidModelEntry(f"The network's input {name!r} of type {dtype} has no KServe v2 name or type.")
    return Port(name, dtype, _sizes(port))


def _name(port: Any, default: str) -> str:
    return str(port.get_any_name()) if port.get_names() else default


def _sizes(port: Any) -> tuple[int | None, ...] | None:
    """The shape, or None when even the number of dimensions is open."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    return tuple(int(size.get_length()) if size.is_static else None for size in shape)


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size is None or size == given for given, size in zip(shape, wanted, strict=True)
    )
