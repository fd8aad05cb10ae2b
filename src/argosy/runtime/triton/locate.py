"""Find a Triton Inference Server on this machine and check that python models can run in it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from argosy.core.errors import MissingRequirement
from argosy.engines.native import NATIVE

_SERVER_LIBRARIES = "nvidia_pytriton.libs"
_PYTHON_LIBRARY = re.compile(rb"libpython3[\w.-]*\.so[\w.]*")
_REINSTALL = "pip install --force-reinstall --no-deps nvidia-pytriton==0.7.0"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class LocateOptions:
    """Where to look and what to insist on.

    Attributes:
        binary: a `tritonserver` to use instead of the wheel's (an NGC image's `/opt/tritonserver/bin/tritonserver`).
        shared_memory: the file system through which Triton and its python models exchange tensors.
        smallest_shared_memory: bytes that must be free there.
    """

    binary: Path | None = None
    shared_memory: Path = Path("/dev/shm")  # noqa: S108 - the fixed name of POSIX shared memory on Linux
    smallest_shared_memory: int = 64 * _MIB


@dataclass(frozen=True, slots=True)
class PythonHost:
    """The interpreter that model processes ("stubs") embed.

    Attributes:
        executable: put first in `PATH`; the embedded interpreter finds its virtual environment through it.
        minor: `3.11`, for which a stub must have been built.
        library_directories: where its `libpython3.X.so` may lie.
        system: whether the distribution's package manager owns it.
    """

    executable: Path
    minor: str
    library_directories: tuple[Path, ...]
    system: bool = False

    @classmethod
    def current(cls) -> PythonHost:
        """The interpreter that runs Argosy."""
        prefix = Path(sys.base_prefix)
        system = prefix == Path("/usr")
        configured = [sysconfig.get_config_var(name) for name in ("LIBDIR", "LIBPL")]
        found = [Path(directory) for directory in configured if directory]
        found += [prefix / "lib", prefix / "lib" / str(sysconfig.get_config_var("MULTIARCH") or "")]
        return cls(
            executable=Path(sys.executable),
            minor=f"{sys.version_info.major}.{sys.version_info.minor}",
            library_directories=tuple(dict.fromkeys(found)),
            system=system,
        )


@dataclass(frozen=True, slots=True)
class TritonInstallation:
    """A Triton that can be started here.

    Attributes:
        binary: the `tritonserver` program.
        backend: `libtriton_python.so`; its neighbours are copied with it.
        backend_files: what the python backend needs beside the library and the stub.
        stub: `triton_python_backend_stub` for this interpreter.
        caches: directory of response cache implementations, or None.
        libraries: value of `LD_LIBRARY_PATH`, in order; the directory of this interpreter's libpython included.
        python: program whose directory is put first in `PATH`.
        source: `wheel` or `binary`.
        version: what the installation says of itself, empty when only the running server knows.
        native: folders of the backends of its own that `argosy.engines.native` knows, by name.
    """

    binary: Path
    backend: Path
    backend_files: tuple[Path, ...]
    stub: Path
    caches: Path | None
    libraries: tuple[Path, ...]
    python: Path
    source: str
    version: str = ""
    native: Mapping[str, Path] = field(default_factory=dict)

    def environment(self, base: dict[str, str]) -> dict[str, str]:
        """`base` with what the server needs to find its libraries and its models' packages."""
        libraries = [str(path) for path in self.libraries]
        path = [str(self.python.parent), base.get("PATH", os.defpath)]
        inherited = base.get("LD_LIBRARY_PATH")
        return {
            **base,
            "PATH": os.pathsep.join(path),
            "LD_LIBRARY_PATH": os.pathsep.join(libraries + ([inherited] if inherited else [])),
        }


@dataclass(frozen=True, slots=True)
class _Layout:
    binary: Path
    backend_directory: Path
    stubs: tuple[Path, ...]
    caches: Path
    libraries: tuple[Path, ...]
    source: str
    version_file: Path | None = field(default=None)


def locate(options: LocateOptions | None = None, python: PythonHost | None = None) -> TritonInstallation:
    """The Triton to start: `options.binary` when given, else the PyPI wheel's.

    Raises:
        MissingRequirement: no Triton, no stub or libpython for this interpreter, NumPy 2, or too little shared
            memory; the message has the command that adds it.
    """
    options = options or LocateOptions()
    python = python or PythonHost.current()
    layout = _from_binary(options.binary, python) if options.binary else _from_wheel(python)
    check_numpy()
    check_shared_memory(options)
    stub = _stub(layout, python)
    library = _python_library(stub, layout, python)
    backend = layout.backend_directory / "libtriton_python.so"
    if not backend.is_file():
        raise MissingRequirement(f"{layout.binary} has no python backend: {backend} is missing. {_reinstall(layout)}")
    return TritonInstallation(
        binary=layout.binary,
        backend=backend,
        backend_files=tuple(sorted(layout.backend_directory.glob("*.py"))),
        stub=stub,
        caches=layout.caches if layout.caches.is_dir() else None,
        libraries=(*layout.libraries, *([library] if library else [])),
        python=python.executable,
        source=layout.source,
        version=_version(layout),
        native=_native(layout.backend_directory.parent),
    )


def check_numpy(version: str | None = None) -> None:
    """Refuse an environment whose NumPy the stub cannot speak to.

    Raises:
        MissingRequirement: NumPy 2 or newer, or none.
    """
    try:
        version = version or importlib.metadata.version("numpy")
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    if int(version.split(".", 1)[0]) != 1:
        raise MissingRequirement(
            f"Triton's python models need NumPy 1 (its ABI is built into them) and this environment has "
            f"{version if version != '0' else 'none'}. Run: pip install 'numpy>=1.26.4,<2'"
        )


def check_shared_memory(options: LocateOptions) -> None:
    """Refuse a machine without enough shared memory for the tensors.

    Raises:
        MissingRequirement: the file system is missing, read-only, or has less free than the options ask.
    """
    directory = options.shared_memory
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        raise MissingRequirement(
            f"Triton exchanges tensors with its models through {directory}, which is missing or not writable. "
            f"Run: mount -t tmpfs -o size=1g tmpfs {directory}"
        )
    usage = os.statvfs(directory)
    free = usage.f_bavail * usage.f_frsize
    if free < options.smallest_shared_memory:
        raise MissingRequirement(
            f"{directory} has {free // _MIB} MiB free and Triton needs {options.smallest_shared_memory // _MIB} MiB. "
            f"Run: mount -o remount,size=1g {directory} (in a container: start it with --shm-size=1g)"
        )


def _from_wheel(python: PythonHost) -> _Layout:
    spec = importlib.util.find_spec("pytriton")
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        raise MissingRequirement(
            "There is no Triton Inference Server here. Run: pip install nvidia-pytriton==0.7.0 "
            "(or name a tritonserver program in TRITONSERVER_BIN)"
        )
    package = Path(locations[0])
    root = package / "tritonserver"
    return _Layout(
        binary=_program(
            root / "bin" / "tritonserver", "pip install --force-reinstall --no-deps nvidia-pytriton==0.7.0"
        ),
        backend_directory=root / "backends" / "python",
        stubs=(root / "python_backend_stubs" / python.minor / "triton_python_backend_stub",),
        caches=root / "caches",
        libraries=(package.parent / _SERVER_LIBRARIES,),
        source="wheel",
    )


def _from_binary(binary: Path, python: PythonHost) -> _Layout:
    program = _program(binary, "set TRITONSERVER_BIN to the path of a tritonserver program")
    root = program.resolve().parent.parent
    backends = root / "backends" / "python"
    return _Layout(
        binary=program,
        backend_directory=backends,
        stubs=(
            root / "python_backend_stubs" / python.minor / "triton_python_backend_stub",
            backends / "triton_python_backend_stub",
        ),
        caches=root / "caches",
        libraries=tuple(path for path in (root / "lib", root.parent.parent / _SERVER_LIBRARIES) if path.is_dir()),
        source="binary",
        version_file=root / "TRITON_VERSION",
    )


def _native(backends: Path) -> dict[str, Path]:
    """The folders of Triton's own backends in its backend directory."""
    return {
        engine.name: backends / engine.name
        for engine in NATIVE.values()
        if (backends / engine.name / engine.library).is_file()
    }


def _program(path: Path, remedy: str) -> Path:
    if not path.is_file() or not os.access(path, os.X_OK):
        raise MissingRequirement(f"{path} is not a program that can be run. To fix it: {remedy}")
    return path


def _stub(layout: _Layout, python: PythonHost) -> Path:
    expected = f"libpython{python.minor}.so"
    for stub in layout.stubs:
        # A wheel sorts its stubs by version and bundles renamed libraries; elsewhere the file itself must say.
        if stub.is_file() and (stub.parent.name == python.minor or expected in _needed_library(stub)):
            return stub
    raise MissingRequirement(
        f"The Triton at {layout.binary} has no model process for Python {python.minor} "
        f"(triton_python_backend_stub). Run Argosy with a Python it has one for: {_available(layout)}."
    )


def _available(layout: _Layout) -> str:
    sorted_stubs = layout.stubs[0].parent.parent
    minors = sorted(path.name for path in sorted_stubs.glob("3.*")) if sorted_stubs.is_dir() else []
    if not minors:
        minors = [_needed_library(stub) for stub in layout.stubs if stub.is_file()]
    return ", ".join(minors) or "none was found"


def _needed_library(stub: Path) -> str:
    """File name of the libpython that the stub is linked against."""
    names = _PYTHON_LIBRARY.findall(stub.read_bytes())
    # A wheel's repair tool leaves the old name in the string table beside the new one, which is longer.
    return max(names, key=len).decode() if names else ""


def _python_library(stub: Path, layout: _Layout, python: PythonHost) -> Path | None:
    """The directory that holds the stub's libpython, or None when it needs none."""
    name = _needed_library(stub)
    if not name or any((directory / name).is_file() for directory in layout.libraries):
        return None
    for directory in python.library_directories:
        if (directory / name).is_file():
            return directory
    if python.system:
        remedy = f"apt-get install libpython{python.minor}"
    else:
        remedy = (
            f"build Python {python.minor} with a shared library "
            f"(pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force {python.minor})"
        )
    raise MissingRequirement(f"Triton's model process needs {name}, which this Python does not have. Run: {remedy}")


def _reinstall(layout: _Layout) -> str:
    if layout.source == "wheel":
        return f"Run: {_REINSTALL}"
    return "Use a Triton build with the python backend."


def _version(layout: _Layout) -> str:
    if layout.version_file is not None and layout.version_file.is_file():
        return layout.version_file.read_text(encoding="utf-8").strip()
    return ""
