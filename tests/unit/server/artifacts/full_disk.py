"""Pulls onto a disk of its own that fills up at a given moment. See `test_full_disk.py`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from argosy.core.errors import ConfigurationError, NotCached, StorageFull
from argosy.server.artifacts import integrity
from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.fetch.progress import Event, Step
from argosy.server.artifacts.fetch.retry import Patience
from argosy.server.artifacts.models import SourceModels
from argosy.server.artifacts.reference import parse_reference

_CHUNK = 1 << 16


class Ballast:
    """Takes all that is left of the disk as soon as a fetch has come to `moment`: a percentage or a step."""

    def __init__(self, disk: Path, moment: str) -> None:
        self._file = disk / "ballast"
        self._moment = moment

    def __call__(self, event: Event) -> None:
        if not self._file.exists() and self._is_now(event):
            with contextlib.suppress(OSError), self._file.open("wb", buffering=0) as file:
                while file.write(b"x" * _CHUNK):
                    pass

    def _is_now(self, event: Event) -> bool:
        if self._moment.isdecimal():
            return event.step is Step.PROGRESS and event.done * 100 >= event.total * int(self._moment)
        return event.step.value == self._moment

    def drop(self) -> None:
        self._file.unlink()


def main(disk: Path, endpoint: str, source: str, moment: str) -> None:
    reference = parse_reference(source)
    assert reference is not None
    cache, ballast = disk / "cache", Ballast(disk, moment)
    online = FetchOptions(endpoint=endpoint, patience=Patience(1, 0.001))
    offline = SourceModels(cache, FetchOptions(offline=True))
    try:
        SourceModels(cache, online, ballast).entry(reference)
    except StorageFull:
        assert list(cache.glob("models/*/store/*")) == []
    else:
        sys.exit("the disk was full, and nobody noticed")
    try:
        offline.entry(reference)
    except (NotCached, StorageFull) as error:
        found = type(error).__name__
    else:
        sys.exit("a part of a model is served")
    for folder in cache.glob("incoming/*"):
        sys.exit(f"{folder} is left")
    ballast.drop()
    entry = SourceModels(cache, online).entry(reference)
    integrity.check(entry.directory, full=True)
    assert offline.entry(reference) == entry
    sys.stdout.write(found)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), *sys.argv[2:5])
    except ConfigurationError as error:
        sys.exit(error.message)
