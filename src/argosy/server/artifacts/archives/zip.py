"""Zip archives: what they hold is checked in their directory before anything is unpacked.

Source: PKWARE's APPNOTE 6.3. The standard library's `zipfile` reads the directory, whose size is bounded first.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.archives.limits import Meter
from argosy.server.artifacts.archives.tar import Member

_CHUNK = 1 << 18
_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LONGEST_TAIL = 22 + 0xFFFF
_LARGEST_DIRECTORY = 16 << 20
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1


def read_zip(file: BinaryIO, name: str, meter: Meter) -> Iterator[Member]:
    """The regular files of a zip archive, in the order of its directory.

    Raises:
        InvalidModelEntry: it is damaged, encrypted, beyond a limit, or holds something else than files and folders.
    """
    _check_directory(file, name)
    with _explained(name), zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        meter.members(len(members))
        files = [member for member in members if not member.is_dir()]
        for member in files:
            _check_member(member, name)
            meter.bytes(member.file_size)
        _check_apart(members, name)
        for member in files:
            yield Member(member.filename, member.file_size, _content(archive, member, name))


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, struct.error, UnicodeDecodeError) as error:
        raise _broken(name, str(error) or type(error).__name__) from error


def _check_directory(file: BinaryIO, name: str) -> None:
    """Bound the directory before `zipfile` reads it whole."""
    file.seek(0, 2)
    length = file.tell()
    file.seek(max(0, length - _LONGEST_TAIL))
    tail = file.read(_LONGEST_TAIL)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise _broken(name, "it has no directory")
    size = struct.unpack_from("<I", tail, at + 12)[0]
    if tail[max(0, at - 20) : at].startswith(_LOCATOR64):
        file.seek(struct.unpack_from("<Q", tail, at - 20 + 8)[0])
        record = file.read(56)
        if len(record) < 56 or not record.startswith(_END64):
            raise _broken(name, "its 64-bit directory is missing")
        size = struct.unpack_from("<Q", record, 40)[0]
    if size > _LARGEST_DIRECTORY:
        raise _broken(name, f"its directory of {size} bytes is larger than {_LARGEST_DIRECTORY}")
    file.seek(0)


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        raise InvalidModelEntry(
            f"{name} holds {member.filename[:200]!r}, a link or device; only plain files are taken. Pack it again."
        )
    if member.flag_bits & _ENCRYPTED:
        raise InvalidModelEntry(f"{name} is encrypted; give an archive that is not.")
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InvalidModelEntry(f"{name} is packed in a way that is not read here; use deflate, or a .tar.gz.")
    if "\0" in member.orig_filename:
        raise InvalidModelEntry(f"{name} holds a file with two names, {member.orig_filename[:200]!r}. Pack it again.")


def _check_apart(members: list[zipfile.ZipInfo], name: str) -> None:
    """Members that share bytes make a small archive unpack to a huge one."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise _broken(name, "two of its files share bytes")
        end = member.header_offset + _LOCAL_HEADER + len(member.orig_filename) + member.compress_size


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    left = member.file_size
    # Read by the caller, outside the generator above.
    with _explained(name), archive.open(member) as content:
        while chunk := content.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise _broken(name, f"{member.filename[:200]!r} is longer than its directory says")
            yield chunk
    if left:
        raise _broken(name, f"{member.filename[:200]!r} is shorter than its directory says")


def _broken(name: str, why: str) -> InvalidModelEntry:
    return InvalidModelEntry(f"{name} is not a usable zip archive: {why}. Pack or download it again.")
