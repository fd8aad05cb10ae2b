"""Kills `argosy analyze --apply` before each of its changes to the model store. See `test_swap.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from argosy.analysis.swap import BACKUP_FILE, install, restore
from tests.suites.crash_points import crash_everywhere


def work(entry: Path) -> None:
    """A config is put in place and taken back."""
    install(entry, "new")
    restore(entry, "old")


def look(entry: Path, report: Path) -> None:
    config, backup = entry / "config.pbtxt", entry / BACKUP_FILE
    assert not backup.exists() or backup.read_text() == "old"
    report.write_text(config.read_text())
    install(entry, "new")
    assert {path.name for path in entry.iterdir()} == {config.name, backup.name}


if __name__ == "__main__":
    before = Path(sys.argv[1]) / "before"
    before.mkdir()
    (before / "config.pbtxt").write_text("old")
    sys.stdout.write(json.dumps(crash_everywhere(before, work, look)))
