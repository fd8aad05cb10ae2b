"""The private directory of one running Argosy: lock, rendered repository, backends, socket, log, record."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from argosy.core.errors import AlreadyRunning, InvalidSetting

_LONGEST_SOCKET_DIRECTORY = 90


class RunDirectory:
    """A directory that only this user can enter and only one Argosy uses at a time.

    Args:
        path: created when missing; its parents too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.repository = self.path / "repository"
        self.backends = self.path / "backends"
        self.log = self.path / "triton.log"
        self.record = self.path / "processes.json"
        self.sockets = self.path
        self._lock = -1

    def acquire(self) -> None:
        """Create the directory and take its lock.

        Raises:
            InvalidSetting: it cannot be created or written, or belongs to another user.
            AlreadyRunning: another Argosy holds the lock.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InvalidSetting(
                f"The run directory {self.path} cannot be used ({error.strerror}). "
                "Choose one that this user can write with --run-directory."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            self.release()
            raise AlreadyRunning(
                f"Another Argosy (process {owner}) uses the run directory {self.path}. "
                "Stop it, or give this one another --run-directory."
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        if len(os.fsencode(self.path)) > _LONGEST_SOCKET_DIRECTORY:
            # Socket paths are limited to 107 bytes by the kernel.
            self.sockets = Path(tempfile.mkdtemp(prefix="argosy-"))

    def release(self) -> None:
        """Give the lock back; idempotent. What was rendered stays for people to look at."""
        if self.sockets != self.path:
            shutil.rmtree(self.sockets, ignore_errors=True)
            self.sockets = self.path
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
