from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from argosy.runtime.triton.overrides import ConfigOverrides
from argosy.runtime.triton.repository import complete_config, remove_model, render_model, render_repository
from argosy.store.entries import read_entry
from tests.suites.echo_models import echo_tensors

GOLDEN = """\
# The host's parameters; the model's own config follows.
parameters { key: "cache" value { string_value: "/a \\"b\\"" } }
parameters { key: "threads" value { string_value: "2" } }

backend: "argosy_echo"
"""


def test_config_is_the_entrys_text_with_the_hosts_parameters() -> None:
    """The rendered config is exactly this."""
    assert complete_config('backend: "argosy_echo"\n', {"threads": "2", "cache": '/a "b"'}) == GOLDEN


def test_config_without_host_parameters_is_the_entrys_text() -> None:
    """Nothing is added when there is nothing to add."""
    assert complete_config("max_batch_size: 8", {}) == "max_batch_size: 8"


def test_entrys_own_parameter_wins() -> None:
    """An entry may set what the host would set otherwise."""
    text = complete_config('parameters { key: "threads" value { string_value: "7" } }', {"threads": "2", "a": "b"})
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert {key: value.string_value for key, value in config.parameters.items()} == {"threads": "7", "a": "b"}


def test_repository_links_the_model_files(tmp_path: Path) -> None:
    """Versions and spec are links into the store, the config is a file; only this user can read the directory."""
    entry = echo_tensors(tmp_path / "store", "echo")
    (entry.directory / "2").mkdir()
    (entry.directory / "not-a-version").mkdir()
    entry = read_entry(entry.directory)
    directory = render_repository(tmp_path / "repository", [entry], {"threads": "1"})
    model = directory / "echo"
    assert sorted(path.name for path in model.iterdir()) == ["1", "2", "argosy.yaml", "config.pbtxt"]
    assert (model / "2").resolve() == entry.directory / "2"
    assert (model / "argosy.yaml").read_text() == (entry.directory / "argosy.yaml").read_text()
    assert not (model / "config.pbtxt").is_symlink()
    assert directory.stat().st_mode & 0o077 == 0


def test_a_native_backend_is_told_in_its_own_words(tmp_path: Path) -> None:
    """The host's threads become ONNX Runtime's, an operator's number of them too; what it does not know is left out."""
    entry = echo_tensors(tmp_path / "store", "net")
    (entry.directory / "argosy.yaml").write_text("schema: 1\nname: net\ntask: tensor\nengine: onnxruntime\n")
    entry = read_entry(entry.directory)
    directory = tmp_path / "repository"
    directory.mkdir()
    said = {"threads": "4", "cache_dir": "/c"}
    for overrides, threads in ((ConfigOverrides(), "4"), (ConfigOverrides({"threads": "2"}, instances=2), "2")):
        render_model(directory, entry, said, lambda _, wanted=overrides: wanted)
        text = (directory / "net" / "config.pbtxt").read_text()
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
        assert {key: value.string_value for key, value in config.parameters.items()} == {
            "intra_op_thread_count": threads
        }


def test_files_beside_the_config_are_linked_too(tmp_path: Path) -> None:
    """Triton looks there for the labels of a classifier."""
    entry = echo_tensors(tmp_path / "store", "echo")
    (entry.directory / "labels.txt").write_text("zero\n")
    directory = render_repository(tmp_path / "repository", [entry], {})
    assert (directory / "echo" / "labels.txt").read_text() == "zero\n"


def test_rendering_again_replaces(tmp_path: Path) -> None:
    """Models of an earlier run are gone; the store is untouched."""
    old, new = echo_tensors(tmp_path / "store", "old"), echo_tensors(tmp_path / "store", "new")
    render_repository(tmp_path / "repository", [old], {})
    directory = render_repository(tmp_path / "repository", [new], {})
    assert [path.name for path in directory.iterdir()] == ["new"]
    assert (old.directory / "1").is_dir()


def test_models_can_be_added_and_removed(tmp_path: Path) -> None:
    """One model can be rendered anew or taken out without touching its files; removing twice is harmless."""
    entry = echo_tensors(tmp_path / "store", "echo")
    (entry.newest / "weights").write_text("w")
    directory = render_repository(tmp_path / "repository", [], {})
    render_model(directory, entry, {"threads": "1"})
    render_model(directory, entry, {"threads": "2"})
    assert '"2"' in (directory / "echo" / "config.pbtxt").read_text()
    remove_model(directory, "echo")
    remove_model(directory, "echo")
    assert list(directory.iterdir()) == []
    assert (entry.newest / "weights").read_text() == "w"
