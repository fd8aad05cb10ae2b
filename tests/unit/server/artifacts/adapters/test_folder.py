from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.adapters.folder import AdapterFolder, AdapterOptions
from argosy.store.entries import ModelEntry
from tests.suites.adapter_folders import adapter
from tests.suites.echo_models import echo_chat

QUIET = 10.0


class Clock:
    """A time that tests move; far ahead of the files' own until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "peft").mkdir()
    return tmp_path / "peft"


@pytest.fixture
def base(tmp_path: Path) -> ModelEntry:
    return echo_chat(tmp_path / "store")


def folder(source: Path, base: ModelEntry, *, most: int = 8, clock: Clock | None = None) -> AdapterFolder:
    options = AdapterOptions(source, most)
    return AdapterFolder(options, [base], source.parent / "cache", {"parrot"}, clock=clock or Clock())


def found(scan_of: AdapterFolder, quiet: float = 0.0) -> list[str]:
    return [entry.name for entry in scan_of.scan(quiet).entries]


def test_every_good_adapter_is_found_and_every_bad_one_named(source: Path, base: ModelEntry) -> None:
    """One folder's trouble is not another's; files and hidden folders are nothing."""
    adapter(source / "loud")
    adapter(source / "soft")
    adapter(source / "high", r=64)
    (source / "empty").mkdir()
    (source / ".hidden").mkdir()
    (source / "README.md").write_text("adapters")
    scan = folder(source, base).scan()
    assert [entry.name for entry in scan.entries] == ["loud", "soft"]
    assert set(scan.problems) == {"high", "empty"}
    assert scan.present == {"loud", "soft", "high", "empty"}


def test_a_name_that_a_model_has_is_refused(source: Path, base: ModelEntry) -> None:
    """An adapter never takes a model's place."""
    adapter(source / "parrot")
    scan = folder(source, base).scan()
    assert scan.entries == ()
    assert "rename" in scan.problems["parrot"]


def test_a_folder_that_leads_elsewhere_is_refused(source: Path, base: ModelEntry, tmp_path: Path) -> None:
    """Only what lies in the adapters' folder is served."""
    (source / "loud").symlink_to(adapter(tmp_path / "elsewhere" / "loud"))
    assert "leads out" in folder(source, base).scan().problems["loud"]


def test_a_folder_is_left_alone_until_it_has_been_quiet(source: Path, base: ModelEntry) -> None:
    """A copy that is under way is neither served nor called broken."""
    watched = folder(source, base)
    adapter(source / "loud")
    (source / "loud" / "adapter_model.safetensors").unlink()
    first = watched.scan(QUIET)
    assert (first.entries, dict(first.problems)) == ((), {})
    assert first.present == {"loud"}
    adapter(source / "loud")
    assert found(watched, QUIET) == []
    assert found(watched, QUIET) == ["loud"]


def test_a_folder_that_was_quiet_long_before_is_taken_at_once(source: Path, base: ModelEntry) -> None:
    """The files say when they were last changed."""
    clock = Clock()
    adapter(source / "loud")
    changed = (source / "loud" / "adapter_config.json").stat().st_ctime
    clock.now = changed + QUIET / 2
    assert found(folder(source, base, clock=clock), QUIET) == []
    clock.now = changed + QUIET * 2
    assert found(folder(source, base, clock=clock), QUIET) == ["loud"]


def test_a_changed_adapter_is_another_entry(source: Path, base: ModelEntry) -> None:
    """So that a load takes the new form."""
    watched = folder(source, base)
    adapter(source / "loud")
    (before,) = watched.scan().entries
    adapter(source / "loud", lora_alpha=9)
    (after,) = watched.scan().entries
    assert after.directory != before.directory


def test_what_was_judged_is_not_judged_again(source: Path, base: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a change makes a folder be opened again."""
    watched = folder(source, base)
    adapter(source / "high", r=64)
    first = watched.scan()
    with monkeypatch.context() as patch:
        patch.setattr("argosy.server.artifacts.adapters.folder.examine", None)
        assert watched.scan().problems == first.problems
    adapter(source / "high")
    assert found(watched) == ["high"]


def test_too_many_are_refused_and_those_served_stay(source: Path, base: ModelEntry) -> None:
    """A newcomer with an earlier name does not push another out; one that leaves makes room."""
    watched = folder(source, base, most=1)
    adapter(source / "loud")
    assert found(watched) == ["loud"]
    adapter(source / "early")
    scan = watched.scan()
    assert [entry.name for entry in scan.entries] == ["loud"]
    assert "--max-loras" in scan.problems["early"]
    shutil.rmtree(source / "loud")
    assert found(watched) == ["early"]


def test_a_folder_that_went_away_is_an_error_and_not_an_empty_one(source: Path, base: ModelEntry) -> None:
    """A mount that is lost for a moment must not unload everything."""
    watched = folder(source, base)
    source.rmdir()
    with pytest.raises(InvalidModelEntry, match="cannot be read"):
        watched.scan()


def test_checking_writes_nothing(source: Path, base: ModelEntry) -> None:
    """It names what could be served and why the rest could not."""
    adapter(source / "loud")
    adapter(source / "high", r=64)
    high, loud = folder(source, base).check()
    assert isinstance(high, tuple)
    assert not isinstance(loud, tuple)
    assert loud.name == "loud"
    assert not (source.parent / "cache").exists()
