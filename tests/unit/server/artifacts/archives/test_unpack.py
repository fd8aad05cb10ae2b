"""R2: archives that want more than to be unpacked."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.archives.limits import Limits
from argosy.server.artifacts.archives.unpack import unpack
from argosy.server.artifacts.cache.layout import Layout

CANARY = b"not to be touched"
Maker = Callable[[], bytes]


def tar(*members: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return file.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def zip_link() -> bytes:
    info = zipfile.ZipInfo("model.onnx")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped((info, b"../canary"))


def with_flag(data: bytes, bit: int) -> bytes:
    """The archive with a general-purpose flag set in its directory."""
    at = data.index(b"PK\x01\x02")
    flags = struct.unpack_from("<H", data, at + 8)[0] | bit
    return data[: at + 8] + struct.pack("<H", flags) + data[at + 10 :]


def overlapping() -> bytes:
    """Two directory entries for the same bytes: each adds to the output and none to the input."""
    data = zipped(("a.bin", b"x" * 100))
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = data[start:end]
    second = entry.replace(b"a.bin", b"b.bin")
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 2, 2, 2 * len(entry))
    return data[:start] + entry + second + bytes(tail)


def lying_size() -> bytes:
    """A member whose directory entry claims fewer bytes than come out."""
    data = bytearray(zipped(("a.bin", b"\0" * 50_000)))
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 100)
    return bytes(data)


def huge_directory() -> bytes:
    data = bytearray(zipped(("a.bin", b"x")))
    struct.pack_into("<I", data, data.index(b"PK\x05\x06") + 12, 1 << 31)
    return bytes(data)


def huge_pax_header() -> bytes:
    info = special("PaxHeaders/x", b"x")
    info.size = 1 << 30
    return info.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 1024


def sparse() -> bytes:
    info = tarfile.TarInfo("model.bin")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    return tar(info)


def bad_checksum() -> bytes:
    data = bytearray(tar(("a", b"x")))
    data[0] ^= 1
    return bytes(data)


EVIL: dict[str, tuple[str, Maker, str]] = {
    "zip: a path upwards": ("zip", lambda: zipped(("../canary", b"x")), "plain relative paths"),
    "zip: an absolute path": ("zip", lambda: zipped(("/tmp/canary", b"x")), "plain relative paths"),
    "zip: backslashes": ("zip", lambda: zipped(("..\\canary", b"x")), "plain relative paths"),
    "zip: a link": ("zip", zip_link, "link or device"),
    "zip: a bomb": ("zip", lambda: zipped(("a.bin", b"\0" * (40 << 20))), "times its size"),
    "zip: members that share bytes": ("zip", overlapping, "share bytes"),
    "zip: a size that lies": ("zip", lying_size, "not a usable zip|longer than"),
    "zip: a directory that fills the memory": ("zip", huge_directory, "larger than"),
    "zip: encrypted": ("zip", lambda: with_flag(zipped(("a.bin", b"x")), 1), "encrypted"),
    "zip: two names that differ in case": (
        "zip",
        lambda: zipped(("a.bin", b"x"), ("A.bin", b"y")),
        "one file elsewhere",
    ),
    "zip: cut off": ("zip", lambda: zipped(("a.bin", b"x" * 1000))[:-60], "not a usable zip"),
    "zip: code": ("zip", lambda: zipped(("model.py", b"import os")), "holds code"),
    "zip: a pickle": ("zip", lambda: zipped(("pytorch_model.pt", b"x")), "pickle"),
    "tar: a path upwards": ("tar", lambda: tar(("../canary", b"x")), "plain relative paths"),
    "tar: an absolute path": ("tar", lambda: tar(("/tmp/canary", b"x")), "plain relative paths"),
    "tar: a symbolic link": ("tar", lambda: tar(special("w", tarfile.SYMTYPE, "../canary")), "symbolic link"),
    "tar: a hard link": ("tar", lambda: tar(special("w", tarfile.LNKTYPE, "../canary")), "hard link"),
    "tar: through a link": (
        "tar",
        lambda: tar(special("d", tarfile.SYMTYPE, ".."), ("d/canary", b"x")),
        "symbolic link",
    ),
    "tar: a device": ("tar", lambda: tar(special("null", tarfile.CHRTYPE)), "device"),
    "tar: a pipe": ("tar", lambda: tar(special("pipe", tarfile.FIFOTYPE)), "pipe"),
    "tar: a sparse file": ("tar", sparse, "plain files do not need"),
    "tar: a header that fills the memory": ("tar", huge_pax_header, "longer than"),
    "tar: a wrong checksum": ("tar", bad_checksum, "checksum"),
    "tar: cut off": ("tar", lambda: tar(("a.bin", b"x" * 5000))[:2000], "ends within a file"),
    "tar: a file that is a folder": ("tar", lambda: tar(("a", b"x"), ("a/b", b"y")), "as a file and as a folder"),
    "tar.gz: a bomb": ("tar.gz", lambda: gzip.compress(tar(("a.bin", b"\0" * (40 << 20)))), "times its size"),
    "tar.gz: cut off": ("tar.gz", lambda: gzip.compress(tar(("a.bin", bytes(range(256)) * 200)))[:-300], "too early"),
    "tar.gz: not compressed": ("tar.gz", lambda: tar(("a.bin", b"x")), "compression is damaged"),
    "tar.gz: empty": ("tar.gz", lambda: gzip.compress(tar()), "holds no file"),
}


@pytest.mark.parametrize("case", EVIL)
def test_r2_an_evil_archive_leaves_nothing_behind(case: str, tmp_path: Path) -> None:
    """R2: refused with a reason; no file written anywhere, the working folder empty, the canary as it was."""
    form, make, says = EVIL[case]
    canary = tmp_path / "canary"
    canary.write_bytes(CANARY)
    archive = tmp_path / f"evil.{form}"
    archive.write_bytes(make())
    cache = tmp_path / "cache"
    with pytest.raises(InvalidModelEntry, match=says):
        unpack(archive, archive.name, Layout(cache))
    assert canary.read_bytes() == CANARY
    assert [path for path in cache.rglob("*") if not path.is_dir()] == []
    assert list((cache / "incoming").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"canary", archive.name, "cache"}


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_r2_too_many_entries(form: str, tmp_path: Path) -> None:
    """Entries are counted before any is written; folders count too."""
    members = [(f"f{number}", b"") for number in range(60)]
    data = zipped(*members) if form == "zip" else tar(*members)
    archive = tmp_path / f"many.{form}"
    archive.write_bytes(gzip.compress(data) if form == "tar.gz" else data)
    with pytest.raises(InvalidModelEntry, match="more than 50 entries"):
        unpack(archive, archive.name, Layout(tmp_path / "cache"), Limits(members=50))


def test_r2_too_many_bytes(tmp_path: Path) -> None:
    """The sum of all files is bounded, however little they are packed."""
    archive = tmp_path / "large.tar"
    archive.write_bytes(tar(("a", b"x" * 600), ("b", b"x" * 600)))
    with pytest.raises(InvalidModelEntry, match="1000 bytes"):
        unpack(archive, archive.name, Layout(tmp_path / "cache"), Limits(total=1000))


LONG = "folder-" + "x" * 90 + "/" + "y" * 90 + ".bin"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda files: ("m.zip", zipped(*files.items())), id="zip"),
        pytest.param(lambda files: ("m.zip", zipped(*files.items(), method=zipfile.ZIP_STORED)), id="zip, stored"),
        pytest.param(lambda files: ("m.tar", tar(*files.items())), id="pax"),
        pytest.param(lambda files: ("m.tar", tar(*files.items(), form=tarfile.GNU_FORMAT)), id="gnu"),
        pytest.param(lambda files: ("m.tgz", gzip.compress(tar(*files.items()))), id="tgz"),
        pytest.param(
            lambda files: (
                "m.tar.gz",
                gzip.compress(tar(*files.items())[:700]) + gzip.compress(tar(*files.items())[700:]),
            ),
            id="two gzip members",
        ),
        pytest.param(
            lambda files: ("m.tar", tar(*[(f"./{name}", data) for name, data in files.items()])), id="with ./"
        ),
    ],
)
def test_good_archives_come_out_as_they_went_in(
    make: Callable[[dict[str, bytes]], tuple[str, bytes]], tmp_path: Path
) -> None:
    """Each form, with long names, empty files and what a packer leaves behind."""
    files = {
        "config.json": b"{}",
        "empty": b"",
        LONG: bytes(range(256)) * 3000,
        "modèle.txt": b"accents",
        "__MACOSX/._config.json": b"junk",
    }
    name, data = make(files)
    archive = tmp_path / name
    archive.write_bytes(data)
    layout = Layout(tmp_path / "cache")
    found = {file.path: layout.blob(file.sha256).read_bytes() for file in unpack(archive, name, layout)}
    del files["__MACOSX/._config.json"]
    assert found == files


def test_the_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    """A folder that nobody holds is removed by the next one who unpacks."""
    left = tmp_path / "cache" / "incoming" / "unpack-gone"
    left.mkdir(parents=True)
    (left / "0").write_bytes(b"x" * 100)
    archive = tmp_path / "m.tar"
    archive.write_bytes(tar(("a", b"x")))
    unpack(archive, "m.tar", Layout(tmp_path / "cache"))
    assert list((tmp_path / "cache" / "incoming").iterdir()) == []
