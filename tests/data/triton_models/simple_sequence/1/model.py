"""OUTPUT is the sum of the inputs of the sequence so far. A request's place in the batch is its sequence's slot."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self._sums = {}

    def execute(self, requests):
        return [self._answer(slot, request) for slot, request in enumerate(requests)]

    def _answer(self, slot, request):
        value, start, ready = (
            int(pb.get_input_tensor_by_name(request, name).as_numpy().item()) for name in ("INPUT", "START", "READY")
        )
        # The batcher fills slots that have no request now with requests that are not ready.
        if ready:
            self._sums[slot] = value + (0 if start else self._sums[slot])
        return pb.InferenceResponse([pb.Tensor("OUTPUT", np.array([[self._sums.get(slot, 0)]], dtype=np.int32))])
