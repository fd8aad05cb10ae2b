"""From arguments to entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import ConfigurationError, InvalidModelEntry, NotCached
from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.resolve import resolve, split_name, survey
from tests.unit.server.artifacts.onnx_bytes import matmul


def put(store: Path, name: str) -> Path:
    """An entry `name` in `store`."""
    made = adopt(matmul(store.parent / "src" / f"{store.name}-{name}.onnx"), store.parent / "made", name)
    store.mkdir(exist_ok=True)
    return made.directory.rename(store / name)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name in ("minilm", "abacus"):
        put(tmp_path / "store", name)
    return tmp_path / "store"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def names(selection: object) -> list[str]:
    return [entry.name for entry in selection.entries]  # type: ignore[attr-defined]


def test_no_arguments_mean_everything(store: Path, cache: Path) -> None:
    """All entries, by name."""
    assert names(resolve((), [store], cache)) == ["abacus", "minilm"]


def test_names_keep_their_order(store: Path, cache: Path) -> None:
    """Entries come in the order of the arguments."""
    assert names(resolve(["minilm", "abacus"], [store], cache)) == ["minilm", "abacus"]


def test_a_path_and_a_named_path(store: Path, cache: Path, tmp_path: Path) -> None:
    """Paths are adopted under their own name or the one given."""
    path = matmul(tmp_path / "double.onnx")
    selection = resolve([str(path), f"other={path}", "abacus"], [store], cache)
    assert names(selection) == ["double", "other", "abacus"]


def test_a_store_name_can_be_given_another_name(store: Path, cache: Path) -> None:
    """name=entry serves an entry of the store under another name."""
    assert names(resolve(["calc=abacus"], [store], cache)) == ["calc"]


def test_a_path_with_an_equals_sign(store: Path, cache: Path, tmp_path: Path) -> None:
    """An existing path is a path, whatever characters it has."""
    path = matmul(tmp_path / "lr=0.1" / "net.onnx")
    assert names(resolve([str(path)], [store], cache)) == ["net"]


def test_a_name_wins_over_a_file_beside(
    store: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file called like an entry is meant only with ./ before it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "abacus").write_text("no model")
    assert names(resolve(["abacus"], [store], cache)) == ["abacus"]
    with pytest.raises(InvalidModelEntry, match="not a model file"):
        resolve(["./abacus"], [store], cache)


def test_an_unknown_name_lists_what_there_is(store: Path, cache: Path) -> None:
    """The message has the close match and all names."""
    with pytest.raises(ConfigurationError, match=r"Did you mean minilm\?.*abacus, minilm"):
        resolve(["miniml"], [store], cache)


def test_a_hub_name_that_is_not_cached_says_how_to_fetch_it(store: Path, cache: Path) -> None:
    """Without anything that fetches, a name of the form org/model is looked up in the cache only."""
    with pytest.raises(NotCached, match="argosy pull hf://BAAI/bge-small"):
        resolve(["BAAI/bge-small"], [store], cache)


def test_a_folder_wins_over_a_repository_of_its_name(
    store: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies here is never asked for elsewhere."""
    matmul(tmp_path / "acme" / "net" / "model.onnx")
    monkeypatch.chdir(tmp_path)
    assert names(resolve(["acme/net"], [store], cache)) == ["net"]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("mine=hf://org/name", ("mine", "hf://org/name")),
        ("mine=https://host/m.onnx?a=b#sha256=0", ("mine", "https://host/m.onnx?a=b#sha256=0")),
        ("https://host/m.onnx?a=b", (None, "https://host/m.onnx?a=b")),
        ("hf://org/name@rev=1", (None, "hf://org/name@rev=1")),
        ("org/name@rev=1", (None, "org/name@rev=1")),
    ],
)
def test_a_name_before_a_source(argument: str, expected: tuple[str | None, str]) -> None:
    """An equals sign within a URL or a revision does not make a name."""
    assert split_name(argument) == expected


def test_a_path_to_nothing(store: Path, cache: Path) -> None:
    """A missing file is named."""
    with pytest.raises(ConfigurationError, match=r"/no/where\.gguf does not exist"):
        resolve(["mine=/no/where.gguf"], [store], cache)


def test_a_name_twice_is_refused(store: Path, cache: Path, tmp_path: Path) -> None:
    """Two models cannot share a name."""
    path = matmul(tmp_path / "double.onnx")
    with pytest.raises(ConfigurationError, match="Two models are called 'abacus'"):
        resolve(["abacus", f"abacus={path}"], [store], cache)


def test_a_broken_entry_is_left_out_of_everything(store: Path, cache: Path) -> None:
    """One broken entry is a problem, not the end."""
    (store / "abacus" / "config.pbtxt").unlink()
    selection = resolve((), [store], cache)
    assert names(selection) == ["minilm"]
    assert [problem.directory for problem in selection.problems] == [store / "abacus"]
    assert "config.pbtxt" in selection.problems[0].message


def test_a_broken_entry_is_fatal_when_named(store: Path, cache: Path) -> None:
    """Who asks for a model by name wants it or an error."""
    (store / "abacus" / "config.pbtxt").unlink()
    with pytest.raises(InvalidModelEntry, match=r"config\.pbtxt"):
        resolve(["abacus"], [store], cache)


def test_a_folder_with_another_name_is_a_problem(store: Path) -> None:
    """The folder's name and the name inside must agree."""
    (store / "abacus").rename(store / "calculator")
    selection = survey([store])
    assert names(selection) == ["minilm"]
    assert "must be the same" in selection.problems[0].message


def test_the_earlier_store_wins(store: Path, tmp_path: Path, cache: Path) -> None:
    """A model of the user's own hides a bundled one, and the hidden one is reported."""
    mine = put(tmp_path / "mine", "abacus")
    selection = resolve((), [mine.parent, store], cache)
    assert names(selection) == ["abacus", "minilm"]
    assert selection.entries[0].directory == mine
    assert "hidden" in selection.problems[0].message
    assert resolve(["abacus"], [mine.parent, store], cache).entries[0].directory == mine


def test_nothing_to_serve_is_an_error(tmp_path: Path, cache: Path) -> None:
    """An empty or missing store is named."""
    with pytest.raises(ConfigurationError, match=r"no model to serve in .*nowhere"):
        resolve((), [tmp_path / "nowhere"], cache)
