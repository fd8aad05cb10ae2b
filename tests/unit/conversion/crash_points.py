"""Kills a writer before each of its changes to the disk, and looks at what is left. See `test_crash_points.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from argosy.conversion.journal import Journal
from argosy.conversion.publish import Bundle, publish
from tests.suites.crash_points import crash_everywhere
from tests.suites.small_disk import visible

INPUTS = {"versions": {"torch": "1"}}


def bundle(source: Path, text: str) -> Bundle:
    """An entry all of whose files hold `text`."""
    return Bundle(
        "m", text, text, {"a.bin": source, "sub/b.bin": source}, {"labels.txt": text}, {"report.json": source}
    )


def entry(store: Path) -> str:
    """`old`, `new` or `nothing`; everything else is a half-written entry."""
    if not visible(store):
        return "nothing"
    assert visible(store) == ["m"]
    files = {
        path.relative_to(store).as_posix(): path.read_text() for path in (store / "m").rglob("*") if path.is_file()
    }
    names = {"1/a.bin", "1/sub/b.bin", "1/labels.txt", "report.json", "config.pbtxt", "argosy.yaml"}
    assert files.keys() == {f"m/{name}" for name in names}, files
    (text,) = set(files.values())
    return text


def published(folder: Path, *, replace: bool) -> list[str]:
    """What a store shows after each crash of a publisher, and after it was asked again."""
    before, source = folder / "before", folder / "source.bin"
    before.mkdir(parents=True)
    if replace:
        source.write_text("old")
        publish(before, bundle(source, "old"))
    source.write_text("new")

    def look(store: Path, report: Path) -> None:
        found = entry(store)
        publish(store, bundle(source, "new"), replace=replace)
        assert [path.name for path in (store / ".staging").iterdir()] == ["lock"]
        report.write_text(f"{found}, then {entry(store)}")

    return crash_everywhere(before, lambda store: publish(store, bundle(source, "new"), replace=replace), look)


def journalled(folder: Path) -> list[str]:
    """Whether a step counts as done after each crash of whoever records it, and after it was done again."""
    before = folder / "before"
    before.mkdir(parents=True)

    def work(directory: Path) -> None:
        journal = Journal(directory)
        opened = journal.open("build", {"a": 1}, INPUTS)
        (opened.output / "network.bin").write_bytes(b"weights")
        journal.close("build", {"answer": {"bytes": 7}})

    def state(directory: Path) -> str:
        result = Journal(directory).finished("build", INPUTS)
        assert result is None or (directory / "build" / "output" / "network.bin").read_bytes() == b"weights"
        return "undone" if result is None else "done"

    def look(directory: Path, report: Path) -> None:
        found = state(directory)
        work(directory)
        report.write_text(f"{found}, then {state(directory)}")

    return crash_everywhere(before, work, look)


def main(folder: Path, mode: str) -> None:
    found = journalled(folder) if mode == "journal" else published(folder, replace=mode == "replace")
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
