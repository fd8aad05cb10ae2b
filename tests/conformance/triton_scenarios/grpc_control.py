"""What Triton's published example programs do over gRPC, written anew: what an operator does, and shared memory."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import (
    serialize_byte_tensor,
    serialized_byte_size,
)

from tests.conformance.triton_scenarios.endpoint import (
    FIRST,
    MODELS,
    SECOND,
    Endpoint,
    Region,
    check_sums,
    check_text_sums,
    refusal,
    texts,
)
from tests.conformance.triton_scenarios.grpc_calls import call, client, two, wanted


def shared_memory(endpoint: Endpoint) -> None:
    """Inputs and outputs through system shared memory; the same objects without it in between."""
    sent = call(endpoint)
    with ExitStack() as stack:
        server = stack.enter_context(client(endpoint))
        server.unregister_system_shared_memory(**sent)
        regions = {name: stack.enter_context(Region(name, FIRST.nbytes)) for name in ("gi0", "gi1", "go0", "go1")}
        for region in regions.values():
            server.register_system_shared_memory(region.name, region.key, region.size, **sent)
        stack.callback(server.unregister_system_shared_memory, **sent)
        assert len(server.get_system_shared_memory_status(**sent).regions) == 4
        regions["gi0"].write(FIRST)
        inputs, outputs = two(), wanted()
        for factor in (1, 2, 3):
            second = SECOND * factor
            if factor == 2:
                inputs[0].set_data_from_numpy(FIRST)
                inputs[1].set_data_from_numpy(second)
                for output in outputs:
                    output.unset_shared_memory()
                check_sums(server.infer("simple", inputs, outputs=outputs, **sent), FIRST, second)
                continue
            regions["gi1"].write(second)
            for i in (0, 1):
                inputs[i].set_shared_memory(f"gi{i}", FIRST.nbytes)
                outputs[i].set_shared_memory(f"go{i}", FIRST.nbytes)
            server.infer("simple", inputs, outputs=outputs, **sent)
            np.testing.assert_array_equal(regions["go0"].read(np.int32, (1, 16)), FIRST + second)
            np.testing.assert_array_equal(regions["go1"].read(np.int32, (1, 16)), FIRST - second)


def shared_memory_strings(endpoint: Endpoint) -> None:
    """BYTES tensors through system shared memory."""
    sent = call(endpoint)
    packed = [serialize_byte_tensor(texts(numbers)) for numbers in (FIRST, SECOND)]
    sizes = [serialized_byte_size(one) for one in packed]
    with ExitStack() as stack:
        server = stack.enter_context(client(endpoint))
        server.unregister_system_shared_memory(**sent)
        regions = [stack.enter_context(Region(f"gs{i}", sizes[i])) for i in (0, 1)]
        for region, content in zip(regions, packed, strict=True):
            server.register_system_shared_memory(region.name, region.key, region.size, **sent)
            region.write(content)
        stack.callback(server.unregister_system_shared_memory, **sent)
        inputs = [triton.InferInput(f"INPUT{i}", [1, 16], "BYTES") for i in (0, 1)]
        for i in (0, 1):
            inputs[i].set_shared_memory(f"gs{i}", sizes[i])
        check_text_sums(server.infer("simple_string", inputs, outputs=wanted(), **sent))


def repository_index(endpoint: Endpoint) -> None:
    """Every model of the repository is listed, ready."""
    with client(endpoint) as server:
        listed = {model.name: model.state for model in server.get_model_repository_index(**call(endpoint)).models}
    assert listed == dict.fromkeys(MODELS, "READY")


def model_control(endpoint: Endpoint) -> None:
    """A model is unloaded and loaded again; one that is not there is refused."""
    sent = call(endpoint)
    with client(endpoint) as server:
        assert server.is_model_ready("simple", **sent)
        try:
            server.unload_model("simple", **sent)
            assert not server.is_model_ready("simple", **sent)
            with refusal("failed to load"):
                server.load_model("wrong_model_name", **sent)
        finally:
            server.load_model("simple", **sent)
        assert server.is_model_ready("simple", **sent)
        check_sums(server.infer("simple", two(), **sent))


def model_override(endpoint: Endpoint) -> None:
    """A configuration that comes with the order to load: another one is taken, a broken one refused."""
    sent = call(endpoint)
    with client(endpoint) as server:
        server.load_model("simple", config='{"max_batch_size": 16}', **sent)
        try:
            assert server.get_model_config("simple", **sent).config.max_batch_size == 16
            with refusal("failed to load"):
                server.load_model("simple", config='"parameters": {{}}', **sent)
        finally:
            # Loading alone would keep the configuration.
            server.unload_model("simple", **sent)
            server.load_model("simple", **sent)
        assert server.get_model_config("simple", **sent).config.max_batch_size == 8


def settings(endpoint: Endpoint) -> None:
    """Trace and log settings of the server."""
    with client(endpoint) as server:
        assert "trace_level" in server.get_trace_settings(**call(endpoint)).settings
        assert "log_info" in server.get_log_settings(**call(endpoint)).settings
