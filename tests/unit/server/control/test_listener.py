from __future__ import annotations

import socket

import pytest

from argosy.core.errors import AddressInUse, InvalidSetting
from argosy.server.control.listener import bind, reserve


def test_a_port_in_use_is_refused_with_the_remedy() -> None:
    """The message names the port and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressInUse, match=f"{port}.*--port"):
            bind("127.0.0.1", port)


def test_a_bound_listener_accepts_connections() -> None:
    """A client can connect before anything else has started."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with bind("127.0.0.1", port), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def test_a_reserved_port_is_shared_by_those_who_share() -> None:
    """Workers listen on a reserved port side by side; nobody else can, not even another reservation."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with reserve("127.0.0.1", port, "--grpc-port"):
        workers = [socket.create_server(("127.0.0.1", port), reuse_port=True) for _ in range(2)]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(AddressInUse):
            reserve("127.0.0.1", port, "--grpc-port")
        for worker in workers:
            worker.close()
        with pytest.raises(AddressInUse):
            reserve("127.0.0.1", port, "--grpc-port")
    reserve("127.0.0.1", port, "--grpc-port").close()


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_that_another_server_has_cannot_be_reserved(shares: bool) -> None:
    """The message names the flag that chooses another one, even when the other server would share."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=shares) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressInUse, match=f"{port}.*--grpc-port"):
            reserve("127.0.0.1", port, "--grpc-port")


def test_an_address_of_another_machine_cannot_be_reserved() -> None:
    """Neither an address this machine does not have nor a name nobody knows."""
    with pytest.raises(InvalidSetting, match="--host"):
        reserve("203.0.113.1", 8001, "--grpc-port")
    with pytest.raises(InvalidSetting, match="cannot be resolved"):
        reserve("no-such-host.invalid", 8001, "--grpc-port")


def test_an_address_of_another_machine_is_refused() -> None:
    """An address this machine does not have names the remedy."""
    with pytest.raises(InvalidSetting, match="--host"):
        bind("203.0.113.1", 8000)
