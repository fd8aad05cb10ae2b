"""Pulls onto a disk of its own that fills up at a given moment. See `test_full_disk.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from argosy.core.errors import ConfigurationError, NotCached, StorageFull
from argosy.server.artifacts import integrity, staging
from argosy.server.artifacts.adopt import adopt, plan
from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.fetch.progress import Event, Step
from argosy.server.artifacts.fetch.retry import Patience
from argosy.server.artifacts.models import SourceModels
from argosy.server.artifacts.reference import parse_reference
from argosy.store.entries import list_entries
from tests.suites.small_disk import Ballast, expect_full, visible


class Spoiler:
    """Takes all that is left of the disk as soon as a fetch has come to `moment`: a percentage or a step."""

    def __init__(self, disk: Path, moment: str) -> None:
        self._ballast = Ballast(disk)
        self._moment = moment
        self._full = False

    def __call__(self, event: Event) -> None:
        if not self._full and self._is_now(event):
            self._full = True
            self._ballast.fill()

    def _is_now(self, event: Event) -> bool:
        if self._moment.isdecimal():
            return event.step is Step.PROGRESS and event.done * 100 >= event.total * int(self._moment)
        return event.step.value == self._moment

    def make_room(self) -> None:
        self._ballast.drop()


def adopt_on(disk: Path, source: Path) -> None:
    """A file becomes an entry of the cache, with room for 0, 10, 50 and 99 % of it; then one of a store, with none."""
    cache, ballast, size = disk / "cache", Ballast(disk), source.stat().st_size
    for share in (0, 10, 50, 99):
        ballast.fill(leave=size * share // 100)
        expect_full(lambda: adopt(source, cache), str(cache), "--cache")
        assert list_entries(staging.store_of(cache)) == []
        ballast.drop()
        assert [path for path in disk.rglob("*") if path.is_file() and path.stat().st_size] == []
    entry = adopt(source, cache)
    assert (entry.newest / source.name).read_bytes() == source.read_bytes()
    store, planned = disk / "store", plan(source, "net", {})
    ballast.fill()
    expect_full(lambda: staging.export(store, planned), str(store))
    assert visible(store) == []
    ballast.drop()
    assert visible(staging.export(store, planned).directory.parent) == ["net"]


def main(disk: Path, endpoint: str, source: str, moment: str) -> None:
    if moment == "adopt":
        adopt_on(disk, Path(source))
        return
    reference = parse_reference(source)
    assert reference is not None
    cache, spoiler = disk / "cache", Spoiler(disk, moment)
    online = FetchOptions(endpoint=endpoint, patience=Patience(1, 0.001))
    offline = SourceModels(cache, FetchOptions(offline=True))
    try:
        SourceModels(cache, online, spoiler).entry(reference)
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
    spoiler.make_room()
    entry = SourceModels(cache, online).entry(reference)
    integrity.check(entry.directory, full=True)
    assert offline.entry(reference) == entry
    sys.stdout.write(found)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), *sys.argv[2:5])
    except ConfigurationError as error:
        sys.exit(error.message)
