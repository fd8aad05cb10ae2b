from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry, ModelNotFound
from argosy.server.artifacts.library import Library
from tests.suites.echo_models import echo_chat, echo_tensors


def test_a_chosen_model_is_read_again_from_where_it_was(tmp_path: Path) -> None:
    """What has changed on disk since is seen, and a store's model of the same name is not meant."""
    chosen = echo_chat(tmp_path / "mine", "parrot")
    echo_chat(tmp_path / "store", "parrot")
    spec = chosen.directory / "argosy.yaml"
    spec.write_text(spec.read_text() + "license: MIT\n")
    found = Library([chosen], [tmp_path / "store"]).find("parrot")
    assert (found.directory, found.spec.license) == (chosen.directory, "MIT")


def test_a_model_put_into_a_store_later_is_found(tmp_path: Path) -> None:
    """The stores are looked through each time."""
    library = Library([], [tmp_path / "store"])
    with pytest.raises(ModelNotFound):
        library.find("echo")
    echo_tensors(tmp_path / "store")
    assert library.find("echo").name == "echo"
    assert library.versions() == {"echo": "1"}


def test_an_entry_can_be_put_in_replaced_and_removed(tmp_path: Path) -> None:
    """As adapters are."""
    library = Library([], [])
    library.put(echo_chat(tmp_path / "one", "loud"))
    newer = echo_chat(tmp_path / "two", "loud")
    library.put(newer)
    assert library.find("loud").directory == newer.directory
    library.remove("loud")
    library.remove("loud")
    with pytest.raises(ModelNotFound):
        library.find("loud")


def test_a_broken_entry_is_found_and_says_why(tmp_path: Path) -> None:
    """It is not the same as none."""
    entry = echo_chat(tmp_path / "store")
    (entry.directory / "argosy.yaml").write_text("schema: 9")
    with pytest.raises(InvalidModelEntry, match="schema"):
        Library([], [tmp_path / "store"]).find("parrot")
    assert Library([entry], [tmp_path / "store"]).versions() == {"parrot": ""}


def test_an_entry_that_now_holds_another_model_is_refused(tmp_path: Path) -> None:
    """The name in the file is what the runtime would serve."""
    entry = echo_chat(tmp_path / "store")
    spec = entry.directory / "argosy.yaml"
    spec.write_text(spec.read_text().replace("name: parrot", "name: crow"))
    with pytest.raises(InvalidModelEntry, match="crow"):
        Library([entry], []).find("parrot")


@pytest.mark.parametrize("name", ["..", "../store/parrot", ".", "parrot/1"])
def test_v4_a_path_is_no_name(tmp_path: Path, name: str) -> None:
    """V4: names are compared with what the stores hold, never joined to a path."""
    echo_chat(tmp_path / "store")
    with pytest.raises(ModelNotFound):
        Library([], [tmp_path / "store"]).find(name)
