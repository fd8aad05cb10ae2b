"""A checkpoint folder is looked at before any library opens it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from argosy.core.errors import InvalidModelEntry
from argosy.engines.torch.files import check_checkpoint


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path / "config.json"


def write_weights(path: Path) -> None:
    save_file({"weight": np.zeros(2, np.float32)}, path)


def write_index(folder: Path, *names: str) -> None:
    weights = {f"layer.{number}": name for number, name in enumerate(names)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))


def test_finds_the_weights(config: Path) -> None:
    """One file, or all that an index names."""
    for name in ("a.safetensors", "b.safetensors"):
        write_weights(config.parent / name)
    write_index(config.parent, "b.safetensors", "a.safetensors", "b.safetensors")
    assert [path.name for path in check_checkpoint(config)] == ["a.safetensors", "b.safetensors"]
    write_weights(config.parent / "model.safetensors")
    assert [path.name for path in check_checkpoint(config)] == ["model.safetensors"]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.ckpt"])
def test_a_pickle_is_never_opened(config: Path, name: str) -> None:
    """The message names the file and says what it is."""
    (config.parent / name).write_bytes(b"")
    with pytest.raises(InvalidModelEntry, match=rf"{name}, a Python pickle"):
        check_checkpoint(config)


def test_a_pickle_beside_good_weights_does_no_harm(config: Path) -> None:
    """Many repositories hold both."""
    (config.parent / "pytorch_model.bin").write_bytes(b"")
    write_weights(config.parent / "model.safetensors")
    assert check_checkpoint(config)


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/a.safetensors", "part.bin", "deep/a.safetensors"])
def test_an_index_stays_in_its_folder(config: Path, name: str) -> None:
    """And names safetensors files only."""
    write_index(config.parent, name)
    with pytest.raises(InvalidModelEntry, match="no safetensors file beside it"):
        check_checkpoint(config)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", b"", r"config\.json cannot be read"),
        ("config.json", b"[1]", r"config\.json must hold a JSON object"),
        ("config.json", b"\xff\xfe", r"config\.json cannot be read"),
        ("config.json", b"[" * 100_000, r"config\.json cannot be read"),
        ("model.safetensors", b"", r"model\.safetensors is not a safetensors file"),
        ("model.safetensors", b"\xff" * 64, r"model\.safetensors is not a safetensors file"),
        ("model.safetensors.index.json", b"{}", r"index\.json names no weight files"),
    ],
)
def test_a_damaged_file_is_named(config: Path, name: str, content: bytes, says: str) -> None:
    """With what is wrong with it."""
    (config.parent / name).write_bytes(content)
    with pytest.raises(InvalidModelEntry, match=says):
        check_checkpoint(config)


def test_a_missing_file_is_named(config: Path) -> None:
    """Weights, a part of them, or the config itself."""
    with pytest.raises(InvalidModelEntry, match=r"neither model\.safetensors nor"):
        check_checkpoint(config)
    write_index(config.parent, "gone.safetensors")
    with pytest.raises(InvalidModelEntry, match=r"gone\.safetensors does not exist"):
        check_checkpoint(config)
    config.unlink()
    with pytest.raises(InvalidModelEntry, match=r"config\.json does not exist"):
        check_checkpoint(config)


def test_weights_cut_short_are_refused(config: Path) -> None:
    """A download that broke off is not served as far as it got."""
    path = config.parent / "model.safetensors"
    write_weights(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidModelEntry, match="is not a safetensors file"):
        check_checkpoint(config)


def test_the_entry_must_name_the_config(config: Path) -> None:
    """Everything else is found from it."""
    with pytest.raises(InvalidModelEntry, match="correct 'model'"):
        check_checkpoint(config.with_name("model.xml"))
