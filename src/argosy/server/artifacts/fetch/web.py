"""Reading a file over HTTP, from its beginning or from where an earlier try ended.

Range requests are those of RFC 9110 section 14. Redirects are followed as long as they stay encrypted or on
this machine; the client drops credentials when one leads to another host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx2

from argosy import __version__
from argosy.core.errors import SourceUnavailable
from argosy.core.network import is_loopback
from argosy.server.artifacts.fetch.retry import Transient

_SILENCE = 30.0
"""Seconds without a byte after which a connection counts as lost."""
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Location:
    """Where to read.

    Attributes:
        headers: such as the authorization, for this host only.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """A body that is being read.

    Attributes:
        start: the offset of its first byte in the file.
        total: bytes of the whole file, None when the server does not say.
        chunks: the bytes; raises `Transient` when the connection ends early.
    """

    start: int
    total: int | None
    chunks: Iterator[bytes]


class WebClient:
    """One pool of connections; usable from several threads.

    Args:
        plain_hosts: hosts beyond loopback that may be read without encryption.
        silence: seconds without a byte after which a connection counts as lost.
    """

    def __init__(self, plain_hosts: frozenset[str] = frozenset(), silence: float = _SILENCE) -> None:
        self._plain_hosts = plain_hosts
        self._client = httpx2.Client(
            follow_redirects=True,
            timeout=httpx2.Timeout(silence),
            headers={"user-agent": f"argosy/{__version__}", "accept-encoding": "identity"},
            event_hooks={"request": [self._check]},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    @contextmanager
    def read(self, location: Location, start: int = 0) -> Iterator[Reply | None]:
        """The file from `start` on, or from its beginning when the server cannot do that; None when it ends before.

        Raises:
            Transient: the server is busy or the connection failed.
            SourceUnavailable: the server refuses, or a redirect leads where nothing is read.
        """
        headers = {**location.headers, **({"range": f"bytes={start}-"} if start else {})}
        try:
            with self._client.stream("GET", location.url, headers=headers) as response:
                if response.status_code == 416 and start:
                    yield None
                    return
                _check_status(response)
                first, total = _extent(response, start)
                yield Reply(first, total, response.iter_raw())
        except httpx2.TooManyRedirects as error:
            raise SourceUnavailable(f"{_shown(location.url)} redirects in a circle.") from error
        except httpx2.TransportError as error:
            raise Transient(f"{_shown(location.url)}: {error or type(error).__name__}") from error

    def _check(self, request: httpx2.Request) -> None:
        url = request.url
        if url.scheme == "https" or (url.scheme == "http" and _may_be_plain(url.host, self._plain_hosts)):
            return
        raise SourceUnavailable(f"A redirect leads to {_shown(str(url))}, which is not encrypted; it is not followed.")


def _may_be_plain(host: str, plain_hosts: frozenset[str]) -> bool:
    return is_loopback(host) or host in plain_hosts


def _check_status(response: httpx2.Response) -> None:
    status = response.status_code
    if status in {200, 206}:
        return
    where = _shown(str(response.url))
    if status in _BUSY:
        raise Transient(f"{where} answers {status}", retry_after(response.headers))
    raise SourceUnavailable(f"{where} answers {status} {response.reason_phrase}; check the address and the access.")


def _extent(response: httpx2.Response, start: int) -> tuple[int, int | None]:
    length = response.headers.get("content-length", "")
    size = int(length) if length.isdecimal() else None
    if response.status_code == 200:
        return 0, size
    match = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if match is None or int(match[1]) != start:
        raise Transient(f"{_shown(str(response.url))} answers with another range than was asked for")
    return start, None if match[3] == "*" else int(match[3])


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, None when it does not say or gives a date."""
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isdecimal() else None


def _shown(url: str) -> str:
    """A URL without its query, which may hold a signature."""
    return url.partition("?")[0][:200]
