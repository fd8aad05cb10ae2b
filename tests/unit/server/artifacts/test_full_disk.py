"""R3: the disk fills up while a model is fetched. The disk is a tmpfs of 24 MiB in a mount namespace of its own."""

from __future__ import annotations

import functools
import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.suites.hub_server import HubServer
from tests.unit.server.artifacts.repositories import put_gguf
from tests.unit.server.artifacts.sources import tensor_network

PROGRAM = Path(__file__).with_name("full_disk.py")
MOUNT = 'mount -t tmpfs -o size=24m none "$0" && exec "$@"'
SIZE = 4 << 20


@functools.cache
def unsharing() -> list[str] | None:
    """A command prefix that may mount; None where nobody may."""
    for options in (["-m"], ["-r", "-m"]):
        command = ["unshare", *options, "sh", "-c"]
        try:
            tried = subprocess.run([*command, MOUNT, "/mnt", "true"], capture_output=True, check=False, timeout=20)
        except OSError:
            return None
        if tried.returncode == 0:
            return command
    return None


def run(hub: HubServer, disk: Path, source: str, moment: str) -> str:
    """What was found while the disk was full."""
    prefix = unsharing()
    if prefix is None:
        pytest.skip("a small disk can be mounted by root or in a user namespace only")
    disk.mkdir()
    command = [*prefix, MOUNT, str(disk), sys.executable, str(PROGRAM), str(disk), hub.endpoint, source, moment]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("moment", ["10", "50", "99"])
def test_r3_a_disk_that_fills_up_during_a_download(hub: HubServer, tmp_path: Path, moment: str) -> None:
    """R3: no part of the model is visible; with room again, the download is continued where it ended."""
    put_gguf(hub, tmp_path / "work", size=SIZE)
    assert run(hub, tmp_path / "disk", "hf://acme/tiny-GGUF/tiny-Q8_0.gguf", moment) == "NotCached"
    ranges = [request.range for request in hub.asked if request.range]
    assert len(ranges) == 1
    assert int(ranges[0].removeprefix("bytes=").removesuffix("-")) > SIZE * int(moment) // 100 - (1 << 20)


def test_r3_a_disk_that_is_full_when_the_entry_is_made(hub: HubServer, tmp_path: Path) -> None:
    """R3: what was downloaded stays, and no entry is visible until there is room for all of it."""
    put_gguf(hub, tmp_path / "work", size=SIZE)
    assert run(hub, tmp_path / "disk", "hf://acme/tiny-GGUF/tiny-Q8_0.gguf", "build") == "StorageFull"


def test_r3_a_disk_that_fills_up_while_an_archive_is_unpacked(hub: HubServer, tmp_path: Path) -> None:
    """R3: neither the staging folder nor a part of the archive's content is left."""
    tensor_network(tmp_path / "pack" / "model.xml")
    (tmp_path / "pack" / "LICENSE").write_bytes(bytes(range(256)) * 4096)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(tmp_path / "pack", "net")
    hub.files["/net.tar"] = packed.getvalue()
    source = f"{hub.endpoint}/net.tar#sha256={hashlib.sha256(packed.getvalue()).hexdigest()}"
    assert run(hub, tmp_path / "disk", source, "unpack") == "NotCached"
