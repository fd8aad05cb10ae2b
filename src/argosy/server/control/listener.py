"""The gateway's listening socket, bound before anything slow is started."""

from __future__ import annotations

import errno
import socket

from argosy.core.errors import AddressInUse, InvalidSetting

_BACKLOG = 2048


def reserve(host: str, port: int, flag: str) -> socket.socket:
    """A TCP port for child processes that will listen on it side by side (`SO_REUSEPORT`), held until it is closed.

    Nobody is answered on the socket itself.

    Args:
        host: address or name.
        port: above 0.
        flag: the one that chooses another port, for errors.

    Raises:
        AddressInUse: another process listens there, or holds it; the message says how to find it or choose another.
        InvalidSetting: the host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InvalidSetting(f"host {host!r} cannot be resolved: {error.strerror}. Try 127.0.0.1.") from error
    held = socket.socket(family, kind, protocol)
    try:
        with socket.socket(family, kind, protocol) as alone:
            # A socket that may share would be let in beside another server that shares.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        held.close()
        raise _explain(error, host, port, flag) from error
    return held


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket that child processes can inherit.

    Raises:
        AddressInUse: another process listens there; the message says how to find it or choose another port.
        InvalidSetting: the host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InvalidSetting(f"host {host!r} cannot be resolved: {error.strerror}. Try 127.0.0.1.") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _explain(error, host, port) from error
    listener.setblocking(False)  # noqa: FBT003  the standard library takes it by position
    return listener


def _explain(error: OSError, host: str, port: int, flag: str = "--port") -> AddressInUse | InvalidSetting:
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"Port {port} on {host} is in use. Stop the other process (find it with 'ss -lntp sport = :{port}') "
            f"or choose another port with {flag}."
        )
    if error.errno == errno.EACCES:
        return AddressInUse(f"Port {port} needs rights this user lacks. Choose a port above 1023 with {flag}.")
    return InvalidSetting(f"Cannot listen on {host}:{port}: {error.strerror}. Try --host 127.0.0.1.")
