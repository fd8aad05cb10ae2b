"""The gRPC server of one gateway worker."""

from __future__ import annotations

import grpc.aio

from argosy.api.kserve.grpc.exchange import GrpcOptions
from argosy.api.kserve.grpc.service import GrpcService, ServiceParts
from argosy.core.errors import AddressInUse

_IDENTITY_ONLY = 1
_STOP_SECONDS = 1.0


class GrpcServer:
    """Listens for KServe's gRPC clients.

    Several processes may listen on one port; the kernel spreads connections over them.
    """

    def __init__(self, parts: ServiceParts) -> None:
        self._service = GrpcService(parts)
        self._options = parts.edge.options
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen.

        Args:
            host: address or name.
            port: 0 lets the kernel choose.

        Returns:
            The port.

        Raises:
            AddressInUse: the port cannot be bound.
        """
        server = grpc.aio.server(
            handlers=self._service.handlers(),
            options=_channel_options(self._options),
            maximum_concurrent_rpcs=self._options.concurrent_calls,
        )
        try:
            bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise AddressInUse(
                f"The gRPC port {port} on {host} cannot be bound. Choose another --grpc-port."
            ) from error
        await server.start()
        self._server = server
        return int(bound)

    async def stop(self, grace: float = _STOP_SECONDS) -> None:
        """Take no more calls, give those under way `grace` seconds, then cut them off. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace)


def _channel_options(options: GrpcOptions) -> tuple[tuple[str, int], ...]:
    keep_alive = int(options.keep_alive_seconds * 1000)
    return (
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", options.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", options.max_metadata_bytes),
        ("grpc.max_concurrent_streams", options.concurrent_calls),
        # A small message may be anything once it is unpacked; HTTP bodies are not unpacked either.
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
        # A client that is gone, or does not even read, gives no sign of life.
        ("grpc.keepalive_time_ms", keep_alive),
        ("grpc.keepalive_timeout_ms", keep_alive),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.ping_timeout_ms", keep_alive),
        # Clients may look after their side of the connection as often.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
    )
