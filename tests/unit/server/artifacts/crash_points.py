"""Kills a pull before each of its changes to the disk, and looks at what is left. See `test_crash_points.py`."""

from __future__ import annotations

import contextlib
import json
import sys
from functools import partial
from pathlib import Path

import huggingface_hub.errors
import huggingface_hub.file_download
import huggingface_hub.hf_api  # noqa: F401
import openvino  # noqa: F401

from argosy.core.errors import InvalidModelEntry, ModelEntryExists, NotCached
from argosy.server.artifacts import integrity, staging
from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.cache.layout import Layout
from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.fetch.retry import Patience
from argosy.server.artifacts.models import SourceModels
from argosy.server.artifacts.reference import parse_reference
from argosy.store.entries import list_entries, read_entry
from tests.suites.crash_points import crash_everywhere, in_child
from tests.unit.server.artifacts.onnx_bytes import matmul


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


def pull(cache: Path, endpoint: str, source: str) -> None:
    """Pull as `argosy pull` does, with little patience."""
    options = FetchOptions(endpoint=endpoint, parallel=1, patience=Patience(1, 0.001))
    reference = parse_reference(source)
    assert reference is not None
    SourceModels(cache, options).entry(reference, refresh=True)


def export(cache: Path, source: str) -> None:
    """Write the entry into a store, as `argosy create-model-store` does."""
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


def adopted(folder: Path) -> list[str]:
    """What a cache holds after each crash of whoever adopts a file that changed, and after it was adopted again."""
    before, source, other = folder / "before", folder / "net.onnx", folder / "other.onnx"
    matmul(source, size=2)
    matmul(other)
    assert in_child(partial(adopt, source, before)) == 0
    old = source.read_bytes()
    matmul(source, size=4)

    def state(cache: Path) -> str:
        found = [read_entry(entry) for entry in list_entries(staging.store_of(cache)) if entry.name == "net"]
        if not found:
            return "nothing"
        network, config = (found[0].newest / "net.onnx").read_bytes(), (found[0].directory / "config.pbtxt").read_text()
        assert network in {old, source.read_bytes()}
        assert f"dims: [ {2 if network == old else 4} ]" in config, config
        return "old" if network == old else "new"

    def look(cache: Path, report: Path) -> None:
        found = state(cache)
        adopt(source, cache)
        # Whoever builds next removes what was left.
        adopt(other, cache)
        assert not list((cache / "staging").iterdir())
        report.write_text(f"{found}, then {state(cache)}")

    return crash_everywhere(before, lambda cache: adopt(source, cache), look)


def main(folder: Path, endpoint: str, source: str, mode: str) -> None:
    before = folder / "before"
    before.mkdir(parents=True)
    if mode == "adopt":
        sys.stdout.write(json.dumps(adopted(folder)))
        return
    if mode != "first":
        assert in_child(partial(pull, before, endpoint, source)) == 0
    if mode == "update":
        damage(before)
    if mode == "export":
        found = crash_everywhere(
            before, lambda cache: export(cache, source), lambda cache, report: exported(cache, source, report)
        )
    else:
        found = crash_everywhere(
            before,
            lambda cache: pull(cache, endpoint, source),
            lambda cache, report: repaired(cache, endpoint, source, report),
        )
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4])
