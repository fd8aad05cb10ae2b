"""Raw HTTP over a socket, for requests that no well-behaved client would send."""

from __future__ import annotations

import socket
from dataclasses import dataclass

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Reply:
    """A status line, headers by lower-case name, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(port: int, *parts: bytes, timeout: float = 60) -> Reply:
    """Send bytes as they are and read one reply; a server that stops reading early is heard all the same."""
    with socket.create_connection((HOST, port), timeout=timeout) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read(connection)


def read(connection: socket.socket) -> Reply:
    """One reply with a content length, or until the server closes."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    wanted = int(headers.get("content-length", "0"))
    while len(body) < wanted:
        body += _some(connection)
    return Reply(int(first.split()[1]), headers, body)


def post(path: str, body: bytes, *headers: str) -> bytes:
    """The bytes of a POST with a content length."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {HOST}",
        f"content-length: {len(body)}",
        "content-type: application/json",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server closed the connection before its reply was complete")
    return data
