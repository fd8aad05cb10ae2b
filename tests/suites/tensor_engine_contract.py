"""What every `TensorEngine` promises."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

import numpy as np

from argosy.core.errors import ArgosyError, EngineError, InputTooLong, InvalidRequest
from argosy.core.tensors import Tensor
from argosy.engines import registry
from argosy.engines.contract import Engine, TensorEngine, TensorRequest, TensorResult
from tests.suites.engine_life_contract import Deployment, EngineContract


class TensorEngineContract(EngineContract):
    """What a `TensorEngine` promises."""

    tolerance: float = 1e-5
    """Largest difference that the profile's precision allows between outputs of equal inputs."""

    @abc.abstractmethod
    def requests(self) -> Sequence[TensorRequest]:
        """At least three good requests that differ in content, size and parameters."""

    @abc.abstractmethod
    def bad_requests(self) -> Sequence[TensorRequest]:
        """Requests the engine must refuse with `InvalidRequest`, one for each kind of mistake."""

    def too_long(self) -> TensorRequest | None:
        """A request over the model's length; None when the model has no length."""
        return None

    def use(self, engine: Engine) -> None:
        assert isinstance(engine, TensorEngine)
        succeeded(engine.infer(self.requests()[:1])[0])

    def test_gives_one_result_a_request_in_order(self, engine: TensorEngine) -> None:
        """`infer` returns one result per request, in order, with as many rows as the request."""
        requests = self.requests()
        results = [succeeded(result) for result in engine.infer(requests)]
        assert len(results) == len(requests)
        for request, result in zip(requests, results, strict=True):
            assert {len(tensor) for tensor in result.values()} == {rows(request)}

    def test_takes_no_requests(self, engine: TensorEngine) -> None:
        """No requests give no results."""
        assert engine.infer([]) == []

    def test_a_bad_request_never_fails_its_neighbours(self, engine: TensorEngine) -> None:
        """One bad request never fails its neighbours, and it alone gets the error."""
        good = self.requests()
        alone = [succeeded(result) for result in engine.infer(good)]
        for bad in self.bad_requests():
            first, refused, *rest = engine.infer([good[0], bad, *good[1:]])
            assert isinstance(refused, InvalidRequest), refused
            together = [succeeded(result) for result in (first, *rest)]
            for expected, got in zip(alone, together, strict=True):
                assert_close(expected, got, self.tolerance)

    def test_bad_requests_are_explained(self, engine: TensorEngine) -> None:
        """A refused request learns the field at fault."""
        for bad, result in zip(self.bad_requests(), engine.infer(self.bad_requests()), strict=True):
            assert isinstance(result, InvalidRequest), bad
            assert result.param
            assert result.message

    def test_refuses_input_over_the_models_length(self, engine: TensorEngine) -> None:
        """Input over the model's length is `InputTooLong` whose message has the words "exceeds maximum allowed"."""
        request = self.too_long()
        if request is None:
            self.use(engine)
            return
        good = self.requests()[0]
        refused, answered = engine.infer([request, good])
        assert isinstance(refused, InputTooLong)
        assert "exceeds maximum allowed" in refused.message
        succeeded(answered)

    def test_the_batch_does_not_change_the_output(self, engine: TensorEngine) -> None:
        """The same input gives the same output whatever else shares the batch, within the profile's precision."""
        requests = [*self.requests()]
        together = [succeeded(result) for result in engine.infer([*requests, *reversed(requests)])]
        for index, request in enumerate(requests):
            alone = succeeded(engine.infer([request])[0])
            assert_close(alone, together[index], self.tolerance)
            assert_close(alone, together[-1 - index], self.tolerance)

    def test_does_not_change_its_inputs(self, engine: TensorEngine) -> None:
        """The caller's arrays are only read."""
        requests = self.requests()
        before = [{name: tensor.copy() for name, tensor in request.inputs.items()} for request in requests]
        engine.infer(requests)
        for copies, request in zip(before, requests, strict=True):
            for name, tensor in request.inputs.items():
                np.testing.assert_array_equal(tensor, copies[name])

    def test_results_survive_later_calls(self, engine: TensorEngine) -> None:
        """A result is the caller's to keep: later executions do not write into it."""
        requests = self.requests()
        kept = [dict(succeeded(result)) for result in engine.infer(requests)]
        copies = [{name: tensor.copy() for name, tensor in result.items()} for result in kept]
        engine.infer([*reversed(requests)])
        for result, copy in zip(kept, copies, strict=True):
            assert_close(result, copy, 0)

    def test_never_raises(self, sound: Deployment) -> None:
        """`infer` answers with errors, and does not raise, when the engine does not run."""
        engine = registry.create(sound.spec, sound.options)
        assert isinstance(engine, TensorEngine)
        assert isinstance(engine.infer(self.requests()[:1])[0], EngineError)
        engine.start()
        engine.stop()
        assert isinstance(engine.infer(self.requests()[:1])[0], EngineError)


def succeeded(result: TensorResult) -> Mapping[str, Tensor]:
    """The outputs; fails when the result is an error."""
    assert not isinstance(result, ArgosyError), result
    return result


def rows(request: TensorRequest) -> int:
    """Rows of a request."""
    return len(next(iter(request.inputs.values())))


def assert_close(expected: Mapping[str, Tensor], got: Mapping[str, Tensor], tolerance: float) -> None:
    """Compare outputs by name, numbers within a tolerance and the rest exactly."""
    assert expected.keys() == got.keys()
    for name, tensor in expected.items():
        if tensor.dtype.kind == "f":
            np.testing.assert_allclose(got[name], tensor, rtol=0, atol=tolerance)
        else:
            np.testing.assert_array_equal(got[name], tensor)
