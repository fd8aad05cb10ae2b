"""Heads held back for the write that follows."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from argosy.app.http_protocol import JoiningTransport

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Below:
    """A transport that notes what reaches it."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def write(self, data: bytes) -> None:
        self.seen.append(data)

    def close(self) -> None:
        self.seen.append("close")

    def is_closing(self) -> bool:
        return "close" in self.seen


@pytest.fixture
def below() -> Below:
    return Below()


@pytest.fixture
async def transport(below: Below) -> JoiningTransport:
    return JoiningTransport(cast("asyncio.Transport", below), asyncio.get_running_loop())


async def test_head_and_body_leave_in_one_write(below: Below, transport: JoiningTransport) -> None:
    """What follows a head at once goes with it; what follows that goes as it comes."""
    transport.write(HEAD)
    transport.write(b"{}")
    transport.write(b"more")
    assert below.seen == [HEAD + b"{}", b"more"]


async def test_a_head_alone_leaves_with_the_pass(below: Below, transport: JoiningTransport) -> None:
    """A stream's head does not wait for its first event, and is not sent twice."""
    transport.write(HEAD)
    assert below.seen == []
    await asyncio.sleep(0)
    transport.write(b"data: 1")
    await asyncio.sleep(0)
    assert below.seen == [HEAD, b"data: 1"]


async def test_heads_in_a_row_stay_in_order(below: Below, transport: JoiningTransport) -> None:
    """100 Continue and the head of the answer, or two answers without a body."""
    transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    transport.write(HEAD)
    transport.write(b"{}")
    await asyncio.sleep(0)
    assert b"".join(below.seen) == b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"{}"


async def test_closing_sends_what_is_held(below: Below, transport: JoiningTransport) -> None:
    """An answer without a body reaches its client before the connection ends."""
    transport.write(HEAD)
    transport.close()
    assert below.seen == [HEAD, "close"]
    assert transport.is_closing()


async def test_a_large_body_is_not_copied(below: Below, transport: JoiningTransport) -> None:
    """It is passed on as it is, behind its head."""
    body = bytes(1 << 20)
    transport.write(HEAD)
    transport.write(body)
    assert below.seen[0] == HEAD
    assert below.seen[1] is body
