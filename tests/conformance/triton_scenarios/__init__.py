"""Scenarios of Triton's published client example programs, written anew: each is run against Triton and against us.

Every scenario is a function of an `Endpoint` that raises when the server does something else than a client counts on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tritonclient.utils import InferenceServerException

from tests.conformance.triton_scenarios import grpc_calls, grpc_control, grpc_streams, http_calls, http_control
from tests.conformance.triton_scenarios.endpoint import Endpoint

__all__ = ["PASSES", "SCENARIOS", "Endpoint", "Scenario", "outcome"]

PASSES = "passes"
_LONGEST = 300
_MEANT = {"403", "404", "415", "PERMISSION_DENIED", "UNIMPLEMENTED"}
"""Statuses that say by themselves that something is not offered."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that a client does.

    Attributes:
        name: unique, for tables.
        programs: the published example programs that it stands for; empty when it is an addition of ours.
        play: raises unless the server does what a client counts on.
        alters: whether it loads and unloads a model.
    """

    name: str
    programs: str
    play: Callable[[Endpoint], None]
    alters: bool = False


def outcome(scenario: Scenario, endpoint: Endpoint) -> str:
    """`passes`, `refused: <status>` for an error that the server sent and nobody expected, or what was wrong."""
    try:
        scenario.play(endpoint)
    except InferenceServerException as error:
        status = str(error.status()).removeprefix("StatusCode.")
        return f"refused: {status}" + ("" if status in _MEANT else f" {error.message()}"[:_LONGEST])
    except Exception as error:  # noqa: BLE001 - whatever a client raises is the outcome
        return f"differs: {type(error).__name__}: {error}"[:_LONGEST]
    return PASSES


SCENARIOS = (
    Scenario("HTTP health and metadata", "simple_http_health_metadata", http_calls.health_metadata),
    Scenario("HTTP infer", "simple_http_infer_client", http_calls.infer),
    Scenario("HTTP infer, compressed", "simple_http_infer_client", http_calls.compression),
    Scenario("HTTP infer, refused", "", http_calls.refused_infer),
    Scenario("HTTP infer, many in flight", "simple_http_async_infer_client", http_calls.async_infer),
    Scenario("HTTP infer, asyncio", "simple_http_aio_infer_client", http_calls.aio_infer),
    Scenario("HTTP texts", "simple_http_string_infer_client", http_calls.strings),
    Scenario("HTTP sequences", "simple_http_sequence_sync_infer_client", http_calls.sequence_sync),
    Scenario("HTTP objects used again", "reuse_infer_objects_client", http_calls.reuse),
    Scenario("HTTP shared memory", "simple_http_shm_client, reuse_infer_objects_client", http_control.shared_memory),
    Scenario("HTTP shared memory, texts", "simple_http_shm_string_client", http_control.shared_memory_strings),
    Scenario("HTTP trace and log settings", "", http_control.settings),
    Scenario("HTTP repository index", "simple_http_model_control", http_control.repository_index),
    Scenario("gRPC health and metadata", "simple_grpc_health_metadata", grpc_calls.health_metadata),
    Scenario("gRPC infer", "simple_grpc_infer_client", grpc_calls.infer),
    Scenario("gRPC infer, compressed", "simple_grpc_infer_client", grpc_calls.compression),
    Scenario("gRPC infer, refused", "", grpc_calls.refused_infer),
    Scenario("gRPC infer, with callbacks", "simple_grpc_async_infer_client", grpc_calls.async_infer),
    Scenario("gRPC infer, asyncio", "simple_grpc_aio_infer_client", grpc_calls.aio_infer),
    Scenario("gRPC channel arguments", "simple_grpc_custom_args_client", grpc_calls.custom_args),
    Scenario("gRPC keepalive", "simple_grpc_keepalive_client", grpc_calls.keepalive),
    Scenario("gRPC texts", "simple_grpc_string_infer_client", grpc_calls.strings),
    Scenario("gRPC typed contents, INT32", "grpc_explicit_int_content_client", grpc_calls.explicit_int),
    Scenario("gRPC typed contents, INT8", "grpc_explicit_int8_content_client", grpc_calls.explicit_int8),
    Scenario("gRPC typed contents, BYTES", "grpc_explicit_byte_content_client", grpc_calls.explicit_bytes),
    Scenario("gRPC sequences", "simple_grpc_sequence_sync_infer_client", grpc_streams.sequence_sync),
    Scenario("gRPC sequences, streamed", "simple_grpc_sequence_stream_infer_client", grpc_streams.sequence_stream),
    Scenario(
        "gRPC sequences, streamed, asyncio",
        "simple_grpc_aio_sequence_stream_infer_client",
        grpc_streams.aio_sequence_stream,
    ),
    Scenario("gRPC many responses to one request", "simple_grpc_custom_repeat", grpc_streams.decoupled_repeat),
    Scenario("gRPC objects used again", "reuse_infer_objects_client", grpc_calls.reuse),
    Scenario("gRPC shared memory", "simple_grpc_shm_client, reuse_infer_objects_client", grpc_control.shared_memory),
    Scenario("gRPC shared memory, texts", "simple_grpc_shm_string_client", grpc_control.shared_memory_strings),
    Scenario("gRPC trace and log settings", "", grpc_control.settings),
    Scenario("gRPC repository index", "simple_grpc_model_control", grpc_control.repository_index),
    # Last, so that nothing is played while a model is away.
    Scenario("HTTP model control", "simple_http_model_control", http_control.model_control, alters=True),
    Scenario(
        "HTTP model loaded with a configuration", "simple_http_model_control", http_control.model_override, alters=True
    ),
    Scenario("gRPC model control", "simple_grpc_model_control", grpc_control.model_control, alters=True),
    Scenario(
        "gRPC model loaded with a configuration", "simple_grpc_model_control", grpc_control.model_override, alters=True
    ),
)
