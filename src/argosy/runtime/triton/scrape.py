"""Triton's own Prometheus text, fetched from its loopback port."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

_SECONDS = 2.0
_LARGEST = 8 << 20


async def scrape(url: str) -> bytes:
    """The text at `url`, or nothing when there is no server, it does not answer in 2 s, or it answers an error.

    Metrics of the layer below are an addition to ours; that they cannot be had must not make ours fail.
    """
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        return b""
    try:
        async with asyncio.timeout(_SECONDS):
            return await _get(parts.hostname, parts.port, parts.path or "/metrics")
    except (OSError, TimeoutError, ValueError):
        return b""


async def _get(host: str, port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        # HTTP/1.0: the body ends with the connection, so no framing has to be read.
        writer.write(f"GET {path} HTTP/1.0\r\nhost: {host}\r\n\r\n".encode("ascii"))
        await writer.drain()
        reply = await reader.read(_LARGEST)
        while len(reply) < _LARGEST and (more := await reader.read(_LARGEST - len(reply))):
            reply += more
    finally:
        writer.close()
    head, _, body = reply.partition(b"\r\n\r\n")
    return body if head.split(b"\r\n", 1)[0].split(b" ")[1:2] == [b"200"] else b""
