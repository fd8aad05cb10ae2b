from __future__ import annotations

import socket

import pytest

from argosy.core.errors import AddressInUse, InvalidSetting
from argosy.server.control.listener import bind, is_loopback


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


def test_an_address_of_another_machine_is_refused() -> None:
    """An address this machine does not have names the remedy."""
    with pytest.raises(InvalidSetting, match="--host"):
        bind("203.0.113.1", 8000)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_told_apart(host: str, expected: bool) -> None:
    """Only addresses that stay on the machine count as loopback."""
    assert is_loopback(host) is expected
