"""What Triton's published example programs do over HTTP, written anew: what an operator does, and shared memory."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import serialize_byte_tensor, serialized_byte_size

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
from tests.conformance.triton_scenarios.http_calls import client, two, wanted


def shared_memory(endpoint: Endpoint) -> None:
    """Inputs and outputs through system shared memory; the same objects without it in between."""
    with ExitStack() as stack:
        server = stack.enter_context(client(endpoint))
        server.unregister_system_shared_memory(headers=endpoint.sent)
        regions = {name: stack.enter_context(Region(name, FIRST.nbytes)) for name in ("ip0", "ip1", "op0", "op1")}
        for region in regions.values():
            server.register_system_shared_memory(region.name, region.key, region.size, headers=endpoint.sent)
        stack.callback(server.unregister_system_shared_memory, headers=endpoint.sent)
        assert len(server.get_system_shared_memory_status(headers=endpoint.sent)) == 4
        regions["ip0"].write(FIRST)
        inputs, outputs = two(), wanted()
        for factor in (1, 2, 3):
            second = SECOND * factor
            if factor == 2:
                inputs[0].set_data_from_numpy(FIRST)
                inputs[1].set_data_from_numpy(second)
                for output in outputs:
                    output.unset_shared_memory()
                check_sums(server.infer("simple", inputs, outputs=outputs, headers=endpoint.sent), FIRST, second)
                continue
            regions["ip1"].write(second)
            for i in (0, 1):
                inputs[i].set_shared_memory(f"ip{i}", FIRST.nbytes)
                outputs[i].set_shared_memory(f"op{i}", FIRST.nbytes)
            server.infer("simple", inputs, outputs=outputs, headers=endpoint.sent)
            np.testing.assert_array_equal(regions["op0"].read(np.int32, (1, 16)), FIRST + second)
            np.testing.assert_array_equal(regions["op1"].read(np.int32, (1, 16)), FIRST - second)


def shared_memory_strings(endpoint: Endpoint) -> None:
    """BYTES tensors through system shared memory."""
    packed = [serialize_byte_tensor(texts(numbers)) for numbers in (FIRST, SECOND)]
    sizes = [serialized_byte_size(one) for one in packed]
    with ExitStack() as stack:
        server = stack.enter_context(client(endpoint))
        server.unregister_system_shared_memory(headers=endpoint.sent)
        regions = [stack.enter_context(Region(f"sp{i}", sizes[i])) for i in (0, 1)]
        for region, content in zip(regions, packed, strict=True):
            server.register_system_shared_memory(region.name, region.key, region.size, headers=endpoint.sent)
            region.write(content)
        stack.callback(server.unregister_system_shared_memory, headers=endpoint.sent)
        inputs = [triton.InferInput(f"INPUT{i}", [1, 16], "BYTES") for i in (0, 1)]
        for i in (0, 1):
            inputs[i].set_shared_memory(f"sp{i}", sizes[i])
        check_text_sums(server.infer("simple_string", inputs, outputs=wanted(), headers=endpoint.sent))


def repository_index(endpoint: Endpoint) -> None:
    """Every model of the repository is listed, ready."""
    with client(endpoint) as server:
        listed = {model["name"]: model.get("state") for model in server.get_model_repository_index(endpoint.sent)}
    assert listed == dict.fromkeys(MODELS, "READY")


def model_control(endpoint: Endpoint) -> None:
    """A model is unloaded and loaded again; one that is not there is refused."""
    with client(endpoint) as server:
        assert server.is_model_ready("simple", headers=endpoint.sent)
        try:
            server.unload_model("simple", headers=endpoint.sent)
            assert not server.is_model_ready("simple", headers=endpoint.sent)
            with refusal("failed to load"):
                server.load_model("wrong_model_name", headers=endpoint.sent)
        finally:
            server.load_model("simple", headers=endpoint.sent)
        assert server.is_model_ready("simple", headers=endpoint.sent)
        check_sums(server.infer("simple", two(), headers=endpoint.sent))


def model_override(endpoint: Endpoint) -> None:
    """A configuration that comes with the order to load: another one is taken, a broken one refused."""
    with client(endpoint) as server:
        server.load_model("simple", config='{"max_batch_size": 16}', headers=endpoint.sent)
        try:
            assert server.get_model_config("simple", headers=endpoint.sent)["max_batch_size"] == 16
            with refusal("failed to load"):
                server.load_model("simple", config='"parameters": {{}}', headers=endpoint.sent)
        finally:
            # Loading alone would keep the configuration.
            server.unload_model("simple", headers=endpoint.sent)
            server.load_model("simple", headers=endpoint.sent)
        assert server.get_model_config("simple", headers=endpoint.sent)["max_batch_size"] == 8


def settings(endpoint: Endpoint) -> None:
    """Trace and log settings of the server."""
    with client(endpoint) as server:
        assert "trace_level" in server.get_trace_settings(headers=endpoint.sent)
        assert "log_info" in server.get_log_settings(headers=endpoint.sent)
