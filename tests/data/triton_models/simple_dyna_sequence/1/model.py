"""OUTPUT is the sum of the inputs of the sequence so far; the last one has the sequence's number added."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self._sums = {}

    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        value, start, end = (
            int(pb.get_input_tensor_by_name(request, name).as_numpy().item()) for name in ("INPUT", "START", "END")
        )
        sequence = request.correlation_id()
        total = value + (0 if start else self._sums[sequence])
        self._sums[sequence] = total
        if end:
            del self._sums[sequence]
            total += int(pb.get_input_tensor_by_name(request, "CORRID").as_numpy().item())
        return pb.InferenceResponse([pb.Tensor("OUTPUT", np.array([[total]], dtype=np.int32))])
