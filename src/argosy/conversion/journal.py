"""What every step of a conversion leaves behind, and whether it has to be done again.

<work>/lock
<work>/<step>/request.json     what it was asked to do
<work>/<step>/inputs.json      hashes of what it read, versions of what it ran on, its command and limits
<work>/<step>/log.txt          what it printed
<work>/<step>/reproduce.sh     does it again, by itself
<work>/<step>/result.json      what it answered; exists only once the step has succeeded
<work>/<step>/output/          the files it made
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core import disk
from argosy.core.errors import ConfigurationError, StorageFull

_CHUNK = 1 << 20
_REMEDY = "Make room and go on with --resume, or name another folder: --cache FOLDER."


@dataclass(frozen=True, slots=True)
class StepFolder:
    """The files of one step."""

    path: Path

    @property
    def request(self) -> Path:
        """What it was asked to do."""
        return self.path / "request.json"

    @property
    def answer(self) -> Path:
        """What the child says, whether it succeeded or not."""
        return self.path / "answer.json"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.path / "log.txt"

    @property
    def output(self) -> Path:
        """The files it made."""
        return self.path / "output"

    @property
    def result(self) -> Path:
        """What it answered, with the hashes of its files; only after success."""
        return self.path / "result.json"

    @property
    def inputs(self) -> Path:
        """What the result depends on."""
        return self.path / "inputs.json"


class Journal:
    """One conversion's work folder.

    Guarantees: a step counts as done only when its result was written, which happens after all of its files, and when
    neither those nor anything it read has changed since.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def step(self, name: str) -> StepFolder:
        """The folder of a step, whether or not it exists."""
        return StepFolder(self.directory / name)

    def finished(self, name: str, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        """The result of the step if it was done with these very inputs and its files are as it left them."""
        folder = self.step(name)
        try:
            known = json.loads(folder.inputs.read_text(encoding="utf-8"))
            result: dict[str, Any] = json.loads(folder.result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if known.get("digest") != digest_of(inputs) or result.get("files") != hashes(folder.output):
            return None
        return result

    def open(self, name: str, request: Mapping[str, Any], inputs: Mapping[str, Any]) -> StepFolder:
        """An empty folder for a step about to run.

        Raises:
            StorageFull, ConfigurationError: it cannot be written.
        """
        folder = self.step(name)
        shutil.rmtree(folder.path, ignore_errors=True)
        with self.writing():
            folder.output.mkdir(parents=True)
            _write(folder.request, json.dumps(request, indent=2, sort_keys=True))
            _write(folder.inputs, json.dumps({"digest": digest_of(inputs), **inputs}, indent=2, sort_keys=True))
        return folder

    def close(self, name: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Record a step's success; returns the result as `finished` will.

        A library may have gone on when the disk took no more of its file, so a step with files that ends on a full disk
        has not succeeded.

        Raises:
            StorageFull, ConfigurationError: the result cannot be written, or the step's files may be cut short.
        """
        folder = self.step(name)
        files = hashes(folder.output)
        if files and disk.is_full(self.directory):
            raise self.full(name)
        result = {**answer, "files": files}
        with self.writing():
            _write(folder.result, json.dumps(result, indent=2, sort_keys=True))
        return result

    def clear(self) -> None:
        """Forget every step, finished or not."""
        for child in self.directory.iterdir() if self.directory.is_dir() else ():
            if child.is_dir():
                shutil.rmtree(child)

    def drop_outputs(self) -> None:
        """Remove the files the steps made, and keep what tells how they were made."""
        for child in self.directory.iterdir():
            shutil.rmtree(child / "output", ignore_errors=True)

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """Turns what goes wrong while writing into this folder into `StorageFull` or `ConfigurationError`."""
        return disk.writing(self.directory, _REMEDY)

    def full(self, name: str) -> StorageFull:
        """The error of a step that found the disk full."""
        return StorageFull(
            f"The disk that holds {self.directory} is full: the step '{name}' could not write its files. {_REMEDY}"
        )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other conversion out of this folder; a process that dies lets go of it by itself.

        Raises:
            ConfigurationError: another process holds it, or it cannot be written.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"The work folder {self.directory} cannot be written: {error.strerror}. Name another: --cache FOLDER."
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise ConfigurationError(
                f"Another conversion of this name is under way (it holds {self.directory / 'lock'}). "
                "Wait for it, end it, or give this one another --name."
            ) from None
        try:
            yield
        finally:
            os.close(handle)


def reproduction(command: Sequence[str], environment: Mapping[str, str], sentence: str) -> str:
    """A script that runs a step again, writing beside what it wrote the first time."""
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted(environment.items()))
    return (
        "#!/usr/bin/env bash\n"
        f"# {sentence} Writes to FOLDER, its first argument (default: again).\n"
        "set -euo pipefail\n"
        'cd "$(dirname "$0")"\n'
        'again=$(realpath -m "${1:-again}")\n'
        'mkdir -p "$again"\n'
        f"env -i {variables} {shlex.join(command)} request.json "
        '"$again.json" "$again"\n'
        'cat "$again.json"\n'
    )


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path in it."""
    if not folder.is_dir():
        return {}
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def digest_of(inputs: Mapping[str, Any]) -> str:
    """One hash of everything a step's result depends on."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def combined(parts: Iterable[str]) -> str:
    """One hash of several texts in order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _write(path: Path, text: str) -> None:
    """All of the file or none of it, on the disk before anything that counts on it."""
    written = path.with_name(f"{path.name}.new")
    with written.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
