"""Kills a pull before each of its changes to the disk, and looks at what is left. See `test_crash_points.py`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import huggingface_hub.errors
import huggingface_hub.file_download
import huggingface_hub.hf_api  # noqa: F401
import openvino  # noqa: F401

from argosy.core.errors import InvalidModelEntry, ModelEntryExists, NotCached
from argosy.server.artifacts import integrity
from argosy.server.artifacts.cache.layout import Layout
from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.fetch.retry import Patience
from argosy.server.artifacts.models import SourceModels
from argosy.server.artifacts.reference import parse_reference
from argosy.store.entries import list_entries, read_entry

_CHANGES = {"os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"}
_MOST = 400


def in_child(work: Callable[[], object]) -> int:
    """The exit status of a forked process that does `work`; -9 when it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent would
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(step: int, cache: Path) -> None:
    """Kill this process before its change number `step` below the cache."""
    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        changes = event in _CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3)
        if changes and any(str(argument).startswith(str(cache)) for argument in arguments):
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(watch)


def state(cache: Path, options: FetchOptions, source: str) -> str:
    """What a server without a network would find."""
    reference = parse_reference(source)
    assert reference is not None
    try:
        entry = SourceModels(cache, options).entry(reference)
    except NotCached:
        return "nothing"
    except InvalidModelEntry:
        return "refused"
    integrity.check(entry.directory, full=True)
    return "new"


def damage(cache: Path) -> None:
    for path in cache.glob("models/*/store/*/1/tokenizer.json"):
        path.write_bytes(b"damaged")


def leftovers(cache: Path) -> list[str]:
    layout = Layout(cache)
    folders = [layout.incoming, layout.partial, *cache.glob("models/*/staging")]
    return [str(path) for folder in folders if folder.is_dir() for path in folder.iterdir()]


def pull(cache: Path, endpoint: str, source: str, deadly: int | None = None) -> None:
    """Pull as `argosy pull` does, with little patience; `deadly` is the step to die at."""
    if deadly is not None:
        kill_at(deadly, cache)
    options = FetchOptions(endpoint=endpoint, parallel=1, patience=Patience(1, 0.001))
    reference = parse_reference(source)
    assert reference is not None
    SourceModels(cache, options).entry(reference, refresh=True)


def export(cache: Path, source: str, deadly: int | None = None) -> None:
    """Write the entry into a store, as `argosy create-model-store` does."""
    if deadly is not None:
        kill_at(deadly, cache)
    reference = parse_reference(source)
    assert reference is not None
    SourceModels(cache, FetchOptions(offline=True)).export(reference, cache / "exported")


def exported(cache: Path, source: str, report: Path) -> None:
    """Say what is in the store, write once more, and look again."""
    store = cache / "exported"
    before = [read_entry(entry).directory for entry in list_entries(store)]
    for entry in before:
        integrity.check(entry, full=True)
    with contextlib.suppress(ModelEntryExists):
        export(cache, source)
        assert [path.name[0] for path in store.iterdir()].count(".") == 0
    (entry,) = list_entries(store)
    integrity.check(entry, full=True)
    report.write_text(f"{'new' if before else 'nothing'}, then new")


def repaired(cache: Path, endpoint: str, source: str, report: Path) -> None:
    """Say what is found, pull again, and say what is found then; nothing may be left lying about."""
    before = state(cache, FetchOptions(offline=True), source)
    pull(cache, endpoint, source)
    after = state(cache, FetchOptions(offline=True), source)
    assert leftovers(cache) == []
    report.write_text(f"{before}, then {after}")


def main(folder: Path, endpoint: str, source: str, mode: str) -> None:
    before, report = folder / "before", folder / "report.txt"
    before.mkdir(parents=True)
    if mode != "first":
        assert in_child(partial(pull, before, endpoint, source)) == 0
    if mode == "update":
        damage(before)
    found: list[str] = []
    for step in range(_MOST):
        cache = folder / str(step)
        shutil.copytree(before, cache, symlinks=True)
        exports = mode == "export"
        deadly = partial(export, cache, source, step) if exports else partial(pull, cache, endpoint, source, step)
        status = in_child(deadly)
        assert status in {0, -signal.SIGKILL}, (step, status)
        if status == 0:
            break
        look = partial(exported, cache, source) if exports else partial(repaired, cache, endpoint, source)
        assert in_child(partial(look, report)) == 0, step
        found.append(report.read_text())
        shutil.rmtree(cache)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4])
