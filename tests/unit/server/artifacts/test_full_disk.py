"""R3: the disk fills up while a model is fetched. The disk is a tmpfs of 24 MiB in a mount namespace of its own."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tests.suites.hub_server import HubServer
from tests.suites.small_disk import run_on_small_disk
from tests.unit.server.artifacts.onnx_bytes import matmul
from tests.unit.server.artifacts.repositories import put_gguf
from tests.unit.server.artifacts.sources import tensor_network

PROGRAM = "tests.unit.server.artifacts.full_disk"
SIZE = 4 << 20


def run(hub: HubServer, disk: Path, source: str, moment: str) -> str:
    """What was found while the disk was full."""
    return run_on_small_disk(disk, 24, PROGRAM, hub.endpoint, source, moment)


@pytest.mark.parametrize("moment", ["10", "50", "99"])
def test_r3_a_disk_that_fills_up_during_a_download(hub: HubServer, tmp_path: Path, moment: str) -> None:
    """R3: no part of the model is visible; with room again, the download is continued where it ended."""
    put_gguf(hub, tmp_path / "work", size=SIZE)
    assert run(hub, tmp_path / "disk", "hf://acme/tiny-GGUF/tiny-Q8_0.gguf", moment) == "NotCached"
    ranges = [request.range for request in hub.asked if request.range]
    # What was read as one piece at 99 % may have been the rest of the file; nothing is missing then.
    assert len(ranges) == 1 or (moment == "99" and not ranges)
    for each in ranges:
        assert int(each.removeprefix("bytes=").removesuffix("-")) > SIZE * int(moment) // 100 - (1 << 20)


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


def test_r3_a_disk_that_fills_up_while_a_file_is_adopted(hub: HubServer, tmp_path: Path) -> None:
    """R3: no entry is visible and the disk is given back; with room, the same call makes it."""
    matmul(tmp_path / "net.onnx", size=512)
    run(hub, tmp_path / "disk", str(tmp_path / "net.onnx"), "adopt")
