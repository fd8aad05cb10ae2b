from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from argosy.core.errors import MissingRequirement
from argosy.engines.registry import ENGINES
from argosy.runtime.triton import backend_directory as subject
from argosy.runtime.triton.backend_directory import prepare_backends
from argosy.runtime.triton.locate import locate


def test_every_engine_has_a_backend(tmp_path: Path) -> None:
    """Each engine of the registry is a folder with the shim, beside Triton's python backend."""
    directory = prepare_backends(tmp_path / "backends", locate())
    assert {path.name for path in directory.iterdir()} == {"python", *(f"argosy_{name}" for name in ENGINES)}
    assert "argosy.runtime.triton.host" in (directory / "argosy_echo" / "model.py").read_text()
    names = {path.name for path in (directory / "python").iterdir()}
    assert names == {"libtriton_python.so", "triton_python_backend_stub", "triton_python_backend_utils.py"}


def test_files_are_copies(tmp_path: Path) -> None:
    """Nothing is a link, because Triton refuses libraries outside of the directory; the stub can be run."""
    directory = prepare_backends(tmp_path / "backends", locate())
    assert not any(path.is_symlink() for path in directory.rglob("*"))
    assert os.access(directory / "python" / "triton_python_backend_stub", os.X_OK)


def test_the_images_backends_are_linked_as_folders(tmp_path: Path) -> None:
    """Their libraries are gigabytes and find their neighbours where they are; the image itself is left alone."""
    library = tmp_path / "image" / "backends" / "onnxruntime" / "libtriton_onnxruntime.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"library")
    installation = replace(locate(), native={"onnxruntime": library.parent})
    for _ in range(2):
        directory = prepare_backends(tmp_path / "backends", installation)
    assert (directory / "onnxruntime" / library.name).resolve() == library
    assert library.read_bytes() == b"library"


def test_preparing_again_replaces(tmp_path: Path) -> None:
    """What an earlier version left is gone."""
    (tmp_path / "backends" / "argosy_old").mkdir(parents=True)
    directory = prepare_backends(tmp_path / "backends", locate())
    assert not (directory / "argosy_old").exists()


def test_noexec_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that runs no programs is refused with the remedy."""
    installation = locate()

    class NoExec:
        f_flag = os.ST_NOEXEC

    monkeypatch.setattr(subject.os, "statvfs", lambda path: NoExec)
    with pytest.raises(MissingRequirement, match="--run-directory"):
        prepare_backends(tmp_path / "backends", installation)
