"""HTTP by hand over a real socket, for what no client library would send."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Reply:
    """A whole reply with a content length."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @classmethod
    async def read(cls, reader: asyncio.StreamReader) -> Reply:
        async with asyncio.timeout(20):
            status, headers = await head(reader)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        return cls(status, headers, body)


async def head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of a reply."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), headers


@contextlib.asynccontextmanager
async def exchange(url: str) -> AsyncIterator[Pair]:
    """A connection to a gateway; leaving closes it."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def post(url: str, path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """One POST on a connection of its own."""
    async with exchange(url) as (reader, writer):
        lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await Reply.read(reader)
