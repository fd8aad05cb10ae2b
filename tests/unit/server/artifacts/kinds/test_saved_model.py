"""A SavedModel that TensorFlow wrote (`tools/make_saved_model.py`), read without TensorFlow."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import openvino
import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import Task
from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.resolve import resolve
from tests.suites.hub_server import HubServer, Repository
from tests.unit.server.artifacts.conftest import models
from tests.unit.server.artifacts.repositories import folder_files

DATA = Path(__file__).parents[4] / "data" / "saved_model"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the SavedModel, which may be damaged."""
    return Path(shutil.copytree(DATA / "scorer", tmp_path / "scorer"))


def test_the_entry_has_the_names_of_the_serving_signature(folder: Path, cache: Path) -> None:
    """Inputs and outputs are called what TensorFlow's signature calls them, and rows are batched."""
    entry = adopt(folder, cache)
    text = (entry.directory / "config.pbtxt").read_text()
    assert (entry.spec.task, entry.spec.model) == (Task.TENSOR, "model.savedmodel")
    assert all(f'name: "{name}"' in text for name in ("values", "scale", "scores", "total"))
    assert "max_batch_size: 32" in text


def test_the_entry_computes_what_tensorflow_computed(folder: Path, cache: Path) -> None:
    """The weights are those of the variables folder: OpenVINO's numbers are TensorFlow's."""
    entry = adopt(folder, cache)
    expected = np.load(DATA / "expected.npz")
    compiled = openvino.compile_model(entry.newest / entry.spec.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer = compiled({name: expected[name] for name in ("values", "scale")})
    for name in ("scores", "total"):
        np.testing.assert_allclose(answer[name], expected[name], rtol=1e-5, atol=1e-6)


def test_the_graph_file_stands_for_its_folder(folder: Path, cache: Path) -> None:
    """Naming `saved_model.pb` means the SavedModel that it belongs to."""
    assert adopt(folder / "saved_model.pb", cache) == adopt(folder, cache)


def test_changed_variables_make_another_entry(folder: Path, cache: Path) -> None:
    """The entry is built anew when the weights were written again, although the graph is the same."""
    before = adopt(folder, cache).spec.source["fingerprint"]
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[::-1])
    assert adopt(folder, cache).spec.source["fingerprint"] != before


def test_other_files_of_the_exporter_stay_out(folder: Path, cache: Path) -> None:
    """Only the graph and the variables are taken."""
    (folder / "assets").mkdir()
    (folder / "assets" / "vocabulary.txt").write_text("word")
    (folder / "keras_metadata.pb").write_bytes(b"x")
    entry = adopt(folder, cache)
    assert set(folder_files(entry.newest / "model.savedmodel")) == {
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    }


@pytest.mark.parametrize(
    ("file", "says"), [("variables.index", "lacks its index"), ("saved_model.pb", "holds no model")]
)
def test_an_incomplete_folder_is_refused(folder: Path, cache: Path, file: str, says: str) -> None:
    """A SavedModel without its index, or without its graph, is no model."""
    next(folder.rglob(file)).unlink()
    with pytest.raises(InvalidModelEntry, match=says):
        adopt(folder, cache)


def test_r6_a_link_out_of_the_folder_is_refused(folder: Path, cache: Path, tmp_path: Path) -> None:
    """R6: weights behind a link to elsewhere are not read."""
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.rename(tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidModelEntry, match="leads out of the model's folder"):
        adopt(folder, cache)


def test_a_damaged_graph_is_refused(folder: Path, cache: Path) -> None:
    """What OpenVINO cannot read is an error that names the file, not a crash."""
    (folder / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(InvalidModelEntry, match="scorer"):
        adopt(folder, cache)


def test_a_repository_of_a_hub(hub: HubServer, cache: Path) -> None:
    """A SavedModel on a hub is fetched with its variables and without the rest."""
    hub.repositories["acme/scorer"] = Repository({**folder_files(DATA / "scorer"), "keras_metadata.pb": b"x"})
    entry = resolve(["acme/scorer"], [], cache, models(cache, hub)).entries[0]
    expected = np.load(DATA / "expected.npz")
    compiled = openvino.compile_model(entry.newest / entry.spec.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answer = compiled({name: expected[name] for name in ("values", "scale")})
    np.testing.assert_allclose(answer["scores"], expected["scores"], rtol=1e-5, atol=1e-6)
    assert not any("keras" in path for path in hub.bodies())
