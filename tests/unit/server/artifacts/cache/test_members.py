"""R1: names inside a source."""

from __future__ import annotations

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.cache.members import check_members


def test_plain_relative_paths_are_taken() -> None:
    """Folders, dots and letters of any language are fine."""
    check_members(["config.json", "1_Pooling/config.json", "modèle.onnx", "a.b/c..d"], "x")


@pytest.mark.parametrize(
    "path",
    ["../x", "/x", "a/../../x", "a//b", "./x", "a/.", "", "..", "a\\b", "C:\\x", "C:x", "a\0b", "a\nb", "x" * 300,
     "a/" * 20 + "b", "\u202egnp.exe"],
)  # fmt: skip
def test_r1_a_path_that_could_lead_out_is_refused(path: str) -> None:
    """Everything that some system reads as a way out, or does not show as it is."""
    with pytest.raises(InvalidModelEntry, match="plain relative paths"):
        check_members([path], "x")


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (["model.onnx", "Model.onnx"], "one file elsewhere"),
        (["ﬁle", "file"], "one file elsewhere"),
        (["a", "a"], "one file elsewhere"),
        (["a/x", "A/y"], "differ only in case"),
        (["a", "a/b"], "as a file and as a folder"),
        (["a/b", "A"], "as a file and as a folder"),
    ],
)
def test_names_that_are_one_elsewhere_are_refused(paths: list[str], says: str) -> None:
    """On a file system that folds case the second would overwrite the first."""
    with pytest.raises(InvalidModelEntry, match=says):
        check_members(paths, "x")
