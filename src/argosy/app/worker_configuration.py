"""What the supervisor tells a gateway worker, as plain data on its standard input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class WorkerConfiguration:
    """One worker's share of the settings.

    Attributes:
        link: the supervisor's socket; what is served is told there.
        workers: how many workers share the limits.
        keys: API key by name; empty when everybody may ask. Never shown.
        open_operator: whether everybody is an operator while there are no keys.
        load_timeout: seconds that one model gets to load.
        grpc_host: address that KServe's gRPC listens on.
        grpc_port: its port, shared by all workers; 0 for none.
        aliases: further public names, each for the name of a model.
        max_model_len: longest context or input an operator allows, tokens; None leaves it to the models.
        max_input_length: longest input an operator allows, tokens; None leaves it to the models.
        max_batch_size: most rows in one call to an engine; None leaves it to the models.
        load_on_demand: whether requests wait for models that are not in memory.
        load_queue_timeout: seconds that they wait at most.
        tritonserver: the Triton program that the settings name; empty means the wheel's.
        interpreters: the Python programs of engines that have an environment of their own, by engine.
        gpu_memory_utilization: share of a GPU that an engine may take; None leaves it to the engines.
        listener: descriptor of the inherited listening socket.
        slot: this worker's number.
    """

    link: str
    workers: int
    keys: dict[str, str]
    open_operator: bool
    max_body_bytes: int
    max_concurrent: int
    max_queue: int
    max_queue_bytes: int
    request_timeout: float
    drain_timeout: float
    load_timeout: float
    grpc_host: str
    grpc_port: int
    log_level: str
    log_format: str
    log_requests: bool
    aliases: dict[str, str] = field(default_factory=dict)
    max_model_len: int | None = None
    max_input_length: int | None = None
    max_batch_size: int | None = None
    load_on_demand: bool = False
    load_queue_timeout: float = 60.0
    tritonserver: str = ""
    interpreters: Mapping[str, str] = field(default_factory=dict)
    gpu_memory_utilization: float | None = None
    listener: int = -1
    slot: int = 0

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> WorkerConfiguration:
        """The inverse of `to_mapping`."""
        return cls(**data)

    def __repr__(self) -> str:
        return f"WorkerConfiguration(slot={self.slot}, keys={len(self.keys)})"
