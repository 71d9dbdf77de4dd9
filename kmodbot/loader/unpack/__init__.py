"""Kernel modules out of a package, with the standard library alone."""

from __future__ import annotations

import lzma
import zlib
from typing import TYPE_CHECKING, BinaryIO

from ..failures import NotVerified
from . import deb, rpm
from .members import BadArchiveError, Modules

if TYPE_CHECKING:
    from pathlib import Path

_READERS = {".deb": deb.read, ".rpm": rpm.read}

# What the decompressors of the standard library raise for broken input, beside OSError.
_BROKEN = (BadArchiveError, EOFError, OSError, ValueError, lzma.LZMAError, zlib.error)


def modules_of(package: Path, name: str) -> dict[str, bytes]:
    """Return the kernel modules in a package: path below the root directory -> content.

    ``name`` is the package's name, whose ending says the format. Raises NotVerified for a package
    that is broken, holds anything else than files and directories, or no module at all.
    """
    modules = Modules()
    with package.open("rb") as file:
        _read(file, name, modules)
    if not modules.found:
        raise NotVerified(f"{name} holds no kernel module below lib/modules")
    return modules.found


def _read(file: BinaryIO, name: str, modules: Modules) -> None:
    try:
        _READERS[name[-4:]](file, modules)
    except _BROKEN as error:
        raise NotVerified(f"{name} cannot be unpacked: {error or 'it breaks off'}") from error
