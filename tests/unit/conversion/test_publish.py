"""An entry appears whole or not at all, whatever happens on the way."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import argosy
from argosy.conversion import publish as module
from argosy.conversion.publish import Bundle, publish
from argosy.core.errors import ConfigurationError, InvalidModelEntry

KILLED_AT = """
    import os, sys
    sys.path.append({sources!r})
    from pathlib import Path
    from argosy.conversion import publish
    calls = 0
    flush = publish._flush
    def counted(path):
        global calls
        if calls == {moment}:
            os._exit(9)
        calls += 1
        flush(path)
    publish._flush = counted
    bundle = publish.Bundle("m", "new", "new", {{"a.bin": Path({source!r})}})
    publish.publish(Path({store!r}), bundle, replace=True)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(b"weights")
    return path


def bundle(source: Path, text: str = "new") -> Bundle:
    return Bundle("m", text, text, {"a.bin": source}, {"labels.txt": "x"}, {"report.json": source})


def entries(store: Path) -> list[str]:
    return sorted(path.name for path in store.iterdir() if not path.name.startswith("."))


def test_an_entry_has_its_version_its_config_and_what_stands_beside(tmp_path: Path, source: Path) -> None:
    """And nothing is left in the folder for unfinished ones."""
    entry = publish(tmp_path / "store", bundle(source))
    found = {path.relative_to(entry).as_posix() for path in entry.rglob("*") if path.is_file()}
    assert found == {"1/a.bin", "1/labels.txt", "argosy.yaml", "config.pbtxt", "report.json"}
    assert [path.name for path in (tmp_path / "store" / ".staging").iterdir()] == ["lock"]


def test_an_entry_is_replaced_only_when_asked_to(tmp_path: Path, source: Path) -> None:
    """Whole: nothing of the old one stays."""
    store = tmp_path / "store"
    publish(store, bundle(source, "old"))
    with pytest.raises(InvalidModelEntry, match="--replace"):
        publish(store, bundle(source, "new"))
    assert (store / "m" / "argosy.yaml").read_text() == "old"
    publish(store, Bundle("m", "new", "new", {}), replace=True)
    assert (store / "m" / "argosy.yaml").read_text() == "new"
    assert not (store / "m" / "report.json").exists()


def test_a_full_disk_changes_nothing(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old entry stays, the message says what to do."""
    store = tmp_path / "store"
    publish(store, bundle(source, "old"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.shutil, "copyfile", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        publish(store, bundle(source, "new"), replace=True)
    assert entries(store) == ["m"]
    assert (store / "m" / "argosy.yaml").read_text() == "old"


@pytest.mark.parametrize("moment", range(5))
def test_a_kill_at_any_moment_leaves_the_old_entry_or_the_new(tmp_path: Path, source: Path, moment: int) -> None:
    """Never a part; the next writer removes what was left."""
    store = tmp_path / "store"
    publish(store, bundle(source, "old"))
    values = {"sources": str(Path(argosy.__file__).parents[1]), "moment": moment, "source": str(source)}
    code = textwrap.dedent(KILLED_AT.format(store=str(store), **values))
    assert subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False).returncode == 9
    assert entries(store) == ["m"]
    text = (store / "m" / "argosy.yaml").read_text()
    assert text in {"old", "new"}
    assert (store / "m" / "config.pbtxt").read_text() == text
    publish(store, Bundle("other", "x", "x", {}))
    assert [path.name for path in (store / ".staging").iterdir()] == ["lock"]
