"""Which Triton would be started."""

from __future__ import annotations

from pathlib import Path

from argosy.server.probe.triton import backends, find


def test_the_wheels_triton_is_known() -> None:
    """Its version and its one backend."""
    found = find()
    assert found is not None
    assert (found.version, found.source, found.backends) == ("2.51.0", "wheel", ("python",))


def test_backends_are_those_that_hold_one(tmp_path: Path) -> None:
    """A native library or a python model; anything else is none."""
    for file in ("onnxruntime/libtriton_onnxruntime.so", "vllm/model.py", "notes/README"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text("")
    assert backends(tmp_path) == ("onnxruntime", "vllm")
    assert backends(tmp_path / "absent") == ()


def test_a_program_that_is_not_there_is_no_triton(tmp_path: Path) -> None:
    """Doctor says why; here there simply is none."""
    assert find(tmp_path / "tritonserver") is None
