"""OUTPUT0 is INPUT0 + INPUT1, OUTPUT1 is INPUT0 - INPUT1; numbers are written out, and an empty text is zero."""

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        a, b = (self._numbers(request, name) for name in ("INPUT0", "INPUT1"))
        return pb.InferenceResponse([self._texts("OUTPUT0", a + b), self._texts("OUTPUT1", a - b)])

    def _numbers(self, request, name):
        texts = pb.get_input_tensor_by_name(request, name).as_numpy()
        return np.array([int(text or b"0") for text in texts.reshape(-1)], dtype=np.int64).reshape(texts.shape)

    def _texts(self, name, numbers):
        texts = np.array([str(number).encode() for number in numbers.reshape(-1)], dtype=np.object_)
        return pb.Tensor(name, texts.reshape(numbers.shape))
