"""Debian packages: an ar archive with a tar archive inside.

https://manpages.debian.org/stable/dpkg-dev/deb.5.en.html
"""

from __future__ import annotations

import io
import tarfile
from typing import BinaryIO

from .members import BadArchiveError, Modules, decompressed, exactly, finish, plain_path

_MAGIC = b"!<arch>\n"
_HEADER = 60
_SIZE = slice(48, 58)


def read(file: BinaryIO, modules: Modules) -> None:
    """Add the modules of a .deb to the collection."""
    data = decompressed(io.BytesIO(_data(file)))
    try:
        with tarfile.open(fileobj=data, mode="r|") as archive:
            for member in archive:
                _add(archive, member, modules)
        finish(data)
    except tarfile.TarError as error:
        raise BadArchiveError(str(error)) from error


def _data(file: BinaryIO) -> bytes:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise BadArchiveError("it is no ar archive")
    while True:
        header = exactly(file, _HEADER)
        name, size = header[:16].rstrip(b" /"), int(header[_SIZE])
        content = exactly(file, size)
        if name.startswith(b"data.tar"):
            return content
        file.read(size % 2)


def _add(archive: tarfile.TarFile, member: tarfile.TarInfo, modules: Modules) -> None:
    content = archive.extractfile(member) if member.isreg() else None
    if content is not None:
        modules.add(member.name, member.size, content)
    elif member.isdir():
        plain_path(member.name)
    else:
        raise BadArchiveError(f"it holds {member.name!a}, which is neither file nor directory")
