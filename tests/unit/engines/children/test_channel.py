"""Frames keep their borders on a stream socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.engines.children.channel import Channel


@pytest.fixture
def raw_and_channel() -> Iterator[tuple[socket.socket, Channel]]:
    """One bare end and one channel."""
    raw, other = socket.socketpair()
    channel = Channel(other)
    yield raw, channel
    channel.close()
    raw.close()


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_frames_arrive_as_they_were_sent(frames: list[bytes]) -> None:
    """Frames of any size come out whole and in order."""
    left, right = map(Channel, socket.socketpair())
    for frame in frames:
        left.send(frame)
    received: list[bytes] = []
    while len(received) < len(frames):
        received += right.receive()
    left.close()
    right.close()
    assert received == frames


def test_a_large_frame_arrives_whole() -> None:
    """A frame larger than any buffer is put together."""
    left, right = map(Channel, socket.socketpair())
    frame = bytes(range(256)) * 20_000
    sender = threading.Thread(target=left.send, args=(frame,))
    sender.start()
    assert right.receive() == [frame]
    sender.join()
    left.close()
    right.close()


def test_an_unfinished_frame_is_kept(raw_and_channel: tuple[socket.socket, Channel]) -> None:
    """Half a frame is nothing yet, and is not lost."""
    raw, channel = raw_and_channel
    raw.sendall(b"\x03\x00\x00\x00ab")
    assert channel.receive(wait=False) == []
    raw.sendall(b"c")
    assert channel.receive() == [b"abc"]


def test_without_waiting_nothing_is_an_answer(raw_and_channel: tuple[socket.socket, Channel]) -> None:
    """`wait=False` returns at once."""
    assert raw_and_channel[1].receive(wait=False) == []


def test_a_lost_end_is_told(raw_and_channel: tuple[socket.socket, Channel]) -> None:
    """When the other end is gone, receiving ends with `EOFError`."""
    raw, channel = raw_and_channel
    raw.close()
    with pytest.raises(EOFError):
        channel.receive()


def test_close_may_be_called_twice(raw_and_channel: tuple[socket.socket, Channel]) -> None:
    """Hanging up is idempotent, and receiving afterwards is an end as well."""
    channel = raw_and_channel[1]
    channel.close()
    channel.close()
    with pytest.raises(EOFError):
        channel.receive()


def test_readable_tells_whether_something_came(raw_and_channel: tuple[socket.socket, Channel]) -> None:
    """Nothing within the time is no, bytes are yes."""
    raw, channel = raw_and_channel
    assert not channel.readable(0.01)
    raw.sendall(b"\x01")
    assert channel.readable(10)
