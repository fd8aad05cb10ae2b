"""Where a scenario goes, and what it sends and expects whatever the protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException, shared_memory

SECONDS = 30
"""For one call. Generous: a busy machine is slow, and time never decides a scenario."""

FIRST = np.arange(16, dtype=np.int32).reshape(1, 16)
SECOND = np.full((1, 16), 3, dtype=np.int32)
NUMBERS = (0, 11, 7, 5, 3, 2, 0, 1)
"""What the sequences add up."""
MODELS = (
    "repeat_int32",
    "simple",
    "simple_dyna_sequence",
    "simple_identity",
    "simple_int8",
    "simple_sequence",
    "simple_string",
)
"""Models of the repository, by name."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks KServe v2 over both protocols.

    Attributes:
        http: `host:port`.
        grpc: `host:port`.
        headers: sent with every request.
    """

    http: str
    grpc: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, str]:
        return dict(self.headers)


def texts(numbers: np.ndarray) -> np.ndarray:
    """The numbers written out, as BYTES."""
    return np.array([str(number).encode() for number in numbers.reshape(-1)], dtype=np.object_).reshape(numbers.shape)


def check_sums(result: Any, first: np.ndarray = FIRST, second: np.ndarray = SECOND) -> None:
    """OUTPUT0 is the sum and OUTPUT1 the difference, in the type of the inputs."""
    for name, expected in (("OUTPUT0", first + second), ("OUTPUT1", first - second)):
        answer = result.as_numpy(name)
        assert answer.dtype == expected.dtype, f"{name} has type {answer.dtype}"
        np.testing.assert_array_equal(answer, expected)


def check_text_sums(result: Any) -> None:
    """As `check_sums`, with numbers as texts."""
    for name, expected in (("OUTPUT0", FIRST + SECOND), ("OUTPUT1", FIRST - SECOND)):
        # In JSON a text is a string, in binary it is bytes.
        said = [text.encode() if isinstance(text, str) else text for text in result.as_numpy(name).reshape(-1)]
        assert said == texts(expected).reshape(-1).tolist(), f"{name} is {said}"


@contextmanager
def refusal(*words: str) -> Iterator[None]:
    """What is inside must be refused by the server in a message that holds all of the words."""
    with pytest.raises(InferenceServerException) as caught:
        yield
    message = str(caught.value.message())
    assert all(word in message for word in words), f"the error does not say {words}: {message:.300}"


def running_sums(values: tuple[int, ...], added_at_end: int = 0) -> list[int]:
    """What a sequence model answers, one number a request."""
    sums = [int(total) for total in np.cumsum(values)]
    sums[-1] += added_at_end
    return sums


class Region(AbstractContextManager["Region"]):
    """System shared memory of `size` bytes, gone on exit. No two regions share a key, whoever runs beside."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size, self.key = name, size, f"/argosy_{os.getpid()}_{name}"

    def __enter__(self) -> Region:
        self.handle = shared_memory.create_shared_memory_region(self.name, self.key, self.size)
        return self

    def __exit__(self, *exception: object) -> None:
        shared_memory.destroy_shared_memory_region(self.handle)

    def write(self, *arrays: np.ndarray) -> None:
        shared_memory.set_shared_memory_region(self.handle, list(arrays))

    def read(self, datatype: Any, shape: tuple[int, ...]) -> np.ndarray:
        content: np.ndarray = shared_memory.get_contents_as_numpy(self.handle, datatype, list(shape))
        return content
