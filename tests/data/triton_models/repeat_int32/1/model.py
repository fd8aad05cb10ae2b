"""A response for each number of IN, after its DELAY in milliseconds; IDX counts them. WAIT delays the return."""

import threading
import time

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self._running = []

    def execute(self, requests):
        for request in requests:
            wait = pb.get_input_tensor_by_name(request, "WAIT").as_numpy().item()
            thread = threading.Thread(target=self._repeat, args=(request,))
            self._running = [*(other for other in self._running if other.is_alive()), thread]
            thread.start()
            time.sleep(wait / 1000)

    def finalize(self):
        for thread in self._running:
            thread.join()

    def _repeat(self, request):
        sender = request.get_response_sender()
        values, delays = (pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("IN", "DELAY"))
        for index, (value, delay) in enumerate(zip(values, delays, strict=True)):
            time.sleep(delay / 1000)
            outputs = [pb.Tensor("OUT", np.array([value])), pb.Tensor("IDX", np.array([index], dtype=np.uint32))]
            sender.send(pb.InferenceResponse(outputs))
        sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
