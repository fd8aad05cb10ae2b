from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.store.entries import list_entries, read_entry, versions

SPEC = "schema: 1\nname: m\ntask: tensor\nengine: echo\n"


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    directory = tmp_path / "m"
    (directory / "1").mkdir(parents=True)
    (directory / "argosy.yaml").write_text(SPEC)
    (directory / "config.pbtxt").write_text('backend: "argosy_echo"\n')
    return directory


def test_an_entry_is_read_whole(entry: Path) -> None:
    """Spec, folder and versions come together."""
    (entry / "10").mkdir()
    (entry / "2").mkdir()
    found = read_entry(entry)
    assert found.name == "m"
    assert found.versions == (1, 2, 10)
    assert found.newest == entry / "10"


@pytest.mark.parametrize(("missing", "expected"), [("argosy.yaml", "not a model store"), ("config.pbtxt", "Triton")])
def test_a_missing_file_is_named(entry: Path, missing: str, expected: str) -> None:
    """Each file an entry needs is named when it is absent."""
    (entry / missing).unlink()
    with pytest.raises(InvalidModelEntry, match=expected):
        read_entry(entry)


@pytest.mark.parametrize("text", ["a: [", "- just\n- a list\n", "\x00", "!!python/object/apply:os.getcwd []"])
def test_yaml_that_is_no_plain_mapping_is_refused(entry: Path, text: str) -> None:
    """Broken YAML, other documents and YAML that would run code are refused."""
    (entry / "argosy.yaml").write_text(text)
    with pytest.raises(InvalidModelEntry):
        read_entry(entry)


def test_an_entry_without_a_version_is_refused(entry: Path) -> None:
    """The message says where files belong."""
    (entry / "1").rmdir()
    (entry / "0").mkdir()
    with pytest.raises(InvalidModelEntry, match="version folder"):
        versions(entry)


def test_a_store_lists_entries_and_nothing_else(entry: Path) -> None:
    """Folders without argosy.yaml and a store that is absent are no error."""
    (entry.parent / "stray").mkdir()
    assert list_entries(entry.parent) == [entry]
    assert list_entries(entry / "absent") == []
