"""Whether the gateway's port is free, and who has it when not.

Source: proc(5), `/proc/net/tcp`.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from argosy.server.probe.checks.finding import Finding, Level

_LISTEN = "0A"


def check_port(host: str, port: int, proc: Path = Path("/proc")) -> Finding:
    """Whether the gateway can listen on `host` and `port`; names the process that does where `/proc` allows."""
    name = f"Port {port}"
    error = _bind(host, port)
    if error is None:
        return Finding(name, Level.OK, f"free on {host}")
    if error.errno == errno.EADDRINUSE:
        holder = listener(port, proc)
        process = f"process {holder[0]} ({holder[1]})" if holder else "a process this user may not see"
        remedy = f"kill {holder[0]}" if holder else f"ss -lntp 'sport = :{port}'"
        return Finding(name, Level.FAIL, f"{process} listens on it", f"{remedy}, or export ARGOSY_PORT={_other(port)}")
    if error.errno == errno.EACCES:
        return Finding(name, Level.FAIL, "only root may listen below 1024", "export ARGOSY_PORT=8000")
    return Finding(
        name, Level.FAIL, f"{host} cannot be listened on: {error.strerror or error}", "export ARGOSY_HOST=127.0.0.1"
    )


def listener(port: int, proc: Path = Path("/proc")) -> tuple[int, str] | None:
    """Number and name of a process that listens on a TCP port, or None when none can be seen."""
    links = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    if not links:
        return None
    for process in sorted(path for path in proc.iterdir() if path.name.isdecimal()):
        if any(_target(handle) in links for handle in _entries(process / "fd")):
            return int(process.name), _name(process)
    return None


def _bind(host: str, port: int) -> OSError | None:
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            # As the gateway does: connections that linger after a restart do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address[4])
            probe.listen(1)
    except OSError as error:
        return error
    return None


def _listening(port: int, proc: Path) -> Iterator[str]:
    for table in (proc / "net/tcp", proc / "net/tcp6"):
        for line in _lines(table)[1:]:
            columns = line.split()
            if len(columns) > 9 and columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _other(port: int) -> int:
    return port + 1 if port < 65535 else port - 1


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _name(process: Path) -> str:
    lines = _lines(process / "comm")
    return lines[0] if lines else "unknown"
