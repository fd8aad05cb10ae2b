from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from argosy.core.errors import MissingRequirement
from argosy.runtime.triton import locate as subject
from argosy.runtime.triton.locate import LocateOptions, PythonHost, check_numpy, check_shared_memory, locate

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


def program(path: Path, content: bytes = b"#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A Triton laid out as in NVIDIA's images, for Python 3.12."""
    root = tmp_path / "tritonserver"
    program(root / "bin" / "tritonserver")
    program(root / "backends" / "python" / "libtriton_python.so", b"\x7fELF")
    program(root / "backends" / "python" / "triton_python_backend_stub", b"\x7fELF\0libpython3.12.so.1.0\0")
    program(root / "backends" / "python" / "triton_python_backend_utils.py", b"")
    (root / "lib").mkdir()
    (root / "TRITON_VERSION").write_text("2.71.0\n")
    return root


def python(tmp_path: Path, minor: str = "3.12", *, library: bool = True, system: bool = False) -> PythonHost:
    directory = tmp_path / "python" / "lib"
    directory.mkdir(parents=True, exist_ok=True)
    if library:
        (directory / f"libpython{minor}.so.1.0").touch()
    return PythonHost(tmp_path / "python" / "bin" / "python", minor, (directory,), system)


def test_wheel_is_found() -> None:
    """The wheel in this environment is complete: program, backend, stub of this Python, its libpython."""
    found = locate()
    assert found.source == "wheel"
    assert all(path.is_file() for path in (found.binary, found.backend, found.stub, *found.backend_files))
    assert found.stub.parent.name == MINOR
    assert any((directory / f"libpython{MINOR}.so.1.0").exists() for directory in found.libraries) or MINOR == "3.13"
    assert found.python == Path(sys.executable)


def test_binary_is_used(image: Path, tmp_path: Path) -> None:
    """A named program is used with the backend, libraries and version of its own tree."""
    found = locate(LocateOptions(binary=image / "bin" / "tritonserver"), python(tmp_path))
    assert found.source == "binary"
    assert found.binary == image / "bin" / "tritonserver"
    assert found.backend.parent == image / "backends" / "python"
    assert found.libraries == (image / "lib", tmp_path / "python" / "lib")
    assert found.version == "2.71.0"
    assert found.caches is None


def test_backends_of_the_image_are_found(image: Path, tmp_path: Path) -> None:
    """A folder counts with its library in it, and only where the backend is one we know how to configure."""
    for name, library in (("onnxruntime", "libtriton_onnxruntime.so"), ("tensorrt", "other.so"), ("dali", "x.so")):
        program(image / "backends" / name / library, b"\x7fELF")
    found = locate(LocateOptions(binary=image / "bin" / "tritonserver"), python(tmp_path))
    assert found.native == {"onnxruntime": image / "backends" / "onnxruntime"}
    assert locate().native == {}


def test_environment_puts_the_python_first(image: Path, tmp_path: Path) -> None:
    """The models' Python is first in PATH, the libraries before inherited ones, and the rest is kept."""
    found = locate(LocateOptions(binary=image / "bin" / "tritonserver"), python(tmp_path))
    environment = found.environment({"PATH": "/bin", "LD_LIBRARY_PATH": "/own", "HOME": "/home/x"})
    assert environment["PATH"] == f"{tmp_path}/python/bin{os.pathsep}/bin"
    assert environment["LD_LIBRARY_PATH"].split(os.pathsep) == [str(image / "lib"), f"{tmp_path}/python/lib", "/own"]
    assert environment["HOME"] == "/home/x"


def test_missing_program_is_named(tmp_path: Path) -> None:
    """A program that is not there is named with the remedy."""
    with pytest.raises(MissingRequirement, match="TRITONSERVER_BIN"):
        locate(LocateOptions(binary=tmp_path / "nothing"))


def test_missing_wheel_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the message has the command that installs it."""
    monkeypatch.setattr(subject.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingRequirement, match=r"pip install nvidia-pytriton==0\.7\.0"):
        locate()


def test_stub_of_another_python_is_refused(image: Path, tmp_path: Path) -> None:
    """A Triton without a stub for this Python says which it has."""
    with pytest.raises(MissingRequirement, match=r"Python 3\.11 .*libpython3\.12"):
        locate(LocateOptions(binary=image / "bin" / "tritonserver"), python(tmp_path, "3.11"))


@pytest.mark.parametrize(
    ("system", "command"), [(True, r"apt-get install libpython3\.12"), (False, "--enable-shared")], ids=["apt", "pyenv"]
)
def test_missing_libpython_names_the_command(image: Path, tmp_path: Path, system: bool, command: str) -> None:
    """Without libpython the message has the command for the kind of Python this is."""
    with pytest.raises(MissingRequirement, match=command):
        locate(LocateOptions(binary=image / "bin" / "tritonserver"), python(tmp_path, library=False, system=system))


def test_missing_backend_is_named(image: Path, tmp_path: Path) -> None:
    """A Triton without the python backend is refused with the missing file."""
    (image / "backends" / "python" / "libtriton_python.so").unlink()
    with pytest.raises(MissingRequirement, match=r"libtriton_python\.so"):
        locate(LocateOptions(binary=image / "bin" / "tritonserver"), python(tmp_path))


def test_numpy_2_is_refused() -> None:
    """NumPy 2 is refused with the command that installs NumPy 1; NumPy 1 passes."""
    check_numpy("1.26.4")
    with pytest.raises(MissingRequirement, match=r"pip install 'numpy>=1\.26\.4,<2'"):
        check_numpy("2.3.1")


def test_missing_shared_memory_is_refused(tmp_path: Path) -> None:
    """No /dev/shm, or one with too little room, is refused with the command that mends it."""
    with pytest.raises(MissingRequirement, match="mount -t tmpfs"):
        check_shared_memory(LocateOptions(shared_memory=tmp_path / "nothing"))
    with pytest.raises(MissingRequirement, match="remount,size=1g"):
        check_shared_memory(LocateOptions(shared_memory=tmp_path, smallest_shared_memory=1 << 60))
    check_shared_memory(LocateOptions(shared_memory=tmp_path, smallest_shared_memory=1))


def test_current_python_knows_its_libraries() -> None:
    """The running Python's own library directory is searched."""
    current = PythonHost.current()
    assert current.minor == MINOR
    assert Path(sys.base_prefix) / "lib" in current.library_directories
