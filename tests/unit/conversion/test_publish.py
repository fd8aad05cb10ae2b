"""An entry appears whole or not at all, whatever happens on the way."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from argosy.conversion import publish as module
from argosy.conversion.publish import Bundle, publish
from argosy.core.errors import ConfigurationError, InvalidModelEntry


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


def test_an_entry_that_is_there_already_is_no_other(tmp_path: Path, source: Path) -> None:
    """Asked again, as after a kill just behind the rename, it is done; one other byte is another entry."""
    store = tmp_path / "store"
    entry = publish(store, bundle(source))
    assert publish(store, bundle(source)) == entry
    source.write_bytes(b"others!")
    with pytest.raises(InvalidModelEntry, match="--replace"):
        publish(store, bundle(source))


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
