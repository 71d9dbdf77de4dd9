"""RPM packages: a lead, two headers, and a compressed cpio archive.

https://rpm-software-management.github.io/rpm/manual/format_v4.html
"""

from __future__ import annotations

import io
import stat
import struct
from typing import IO, BinaryIO

from .members import BadArchiveError, Modules, decompressed, exactly, finish, plain_path

_LEAD = 96
_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_INDEX_ENTRY = 16

_CPIO_MAGIC = b"070701"
_CPIO_HEADER = 110
_MODE, _FILE_SIZE, _NAME_SIZE = 1, 6, 11  # of thirteen fields of eight hexadecimal digits
_LAST = "TRAILER!!!"
_LONGEST_NAME = 4096


def read(file: BinaryIO, modules: Modules) -> None:
    """Add the modules of an .rpm to the collection."""
    if exactly(file, _LEAD)[:4] != _LEAD_MAGIC:
        raise BadArchiveError("it is no RPM package")
    signature = _skip_header(file)
    exactly(file, -signature % 8)
    _skip_header(file)
    payload = decompressed(file)
    while _member(payload, modules):
        pass
    finish(payload)


def _skip_header(file: BinaryIO) -> int:
    intro = exactly(file, 16)
    if intro[:4] != _HEADER_MAGIC:
        raise BadArchiveError("a header of it is damaged")
    entries, size = struct.unpack(">II", intro[8:])
    length: int = _INDEX_ENTRY * entries + size
    file.seek(length, io.SEEK_CUR)
    return length


def _member(payload: IO[bytes], modules: Modules) -> bool:
    """Read one member of the archive; False after the last."""
    header = exactly(payload, _CPIO_HEADER)
    if header[:6] != _CPIO_MAGIC:
        raise BadArchiveError("its cpio archive is damaged")
    fields = [int(header[at : at + 8], 16) for at in range(6, _CPIO_HEADER, 8)]
    mode, size, name_size = fields[_MODE], fields[_FILE_SIZE], fields[_NAME_SIZE]
    if not 0 < name_size < _LONGEST_NAME:
        raise BadArchiveError("its cpio archive is damaged")
    name = exactly(payload, name_size)[:-1].decode("utf-8", "replace")
    exactly(payload, -(_CPIO_HEADER + name_size) % 4)
    if name == _LAST:
        return False
    _add(name, mode, size, payload, modules)
    exactly(payload, -size % 4)
    return True


def _add(name: str, mode: int, size: int, payload: IO[bytes], modules: Modules) -> None:
    if stat.S_ISREG(mode):
        modules.add(name, size, io.BytesIO(exactly(payload, size)))
    elif stat.S_ISDIR(mode):
        plain_path(name)
    else:
        raise BadArchiveError(f"it holds {name!a}, which is neither file nor directory")
