"""What may come out of a package: kernel modules and nothing that leads elsewhere."""

from __future__ import annotations

import bz2
import gzip
import lzma
from typing import IO, TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACES = ("lib/modules/", "usr/lib/modules/")
_LARGEST = 256 << 20
_LONGEST_PADDING = 1 << 16

_MAGIC: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
}
_ZSTD = b"\x28\xb5\x2f\xfd"


class BadArchiveError(Exception):
    """A package that is not made as ours are; ``str`` says where."""


class Modules:
    """Collects the modules of a package, refusing what no package of a driver holds."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}
        self._size = 0

    def add(self, name: str, size: int, content: IO[bytes]) -> None:
        """Take a regular file of so many bytes if it is a kernel module, else pass over it."""
        path = plain_path(name)
        self._size += size
        if self._size > _LARGEST:
            raise BadArchiveError(f"more than {_LARGEST >> 20} MiB inside")
        if not (path.startswith(_PLACES) and path.endswith(".ko")):
            return
        if path in self.found:
            raise BadArchiveError(f"{name!a} stands in it twice")
        self.found[path] = exactly(content, size)


def plain_path(name: str) -> str:
    """Return a member's name as a path below the root directory; BadArchiveError if it is not."""
    if name in {".", "./"}:
        return ""
    path = (name.removeprefix("./")).rstrip("/")
    if not path.isprintable() or {"", ".", ".."} & set(path.split("/")):
        raise BadArchiveError(f"it holds {name!a}, which leads elsewhere")
    return path


def exactly(file: IO[bytes], size: int) -> bytes:
    """Return the next ``size`` bytes; BadArchiveError when there are fewer."""
    if not 0 <= size <= _LARGEST:
        raise BadArchiveError(f"a size in it is impossible ({size})")
    content = file.read(size)
    if len(content) != size:
        raise BadArchiveError("it breaks off")
    return content


def finish(file: IO[bytes]) -> None:
    """Read a stream to its end, because only there its decompressor checks what it gave out."""
    if len(file.read(_LONGEST_PADDING)) == _LONGEST_PADDING:
        raise BadArchiveError("something follows the end of its archive")


def decompressed(file: BinaryIO) -> IO[bytes]:
    """Return the content of a compressed stream that starts here and ends with the file."""
    start = file.tell()
    magic = file.read(6)
    file.seek(start)
    if magic.startswith(_ZSTD):
        raise BadArchiveError("it is compressed with zstd, which Python cannot read everywhere")
    for mark, reader in _MAGIC.items():
        if magic.startswith(mark):
            content: IO[bytes] = reader(file)
            return content
    return file
