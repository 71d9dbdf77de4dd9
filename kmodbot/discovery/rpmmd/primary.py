"""The packages of a repository out of its primary.xml, whatever it is compressed with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from .ahead import ahead
from .canonical import CanonicalReader, NotCanonical
from .compression import decompressed
from .digests import Check, check_stream
from .full import FullReader
from .packages import Package, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .repomd import Item

EVERYTHING = Wanted()


@dataclass(frozen=True)
class Primary:
    """What was read: the wanted packages in their order, and how many there are in all.

    ``declared`` is the count that the document itself states, None when it states none: another
    one than ``count`` is a fault of the tool that wrote it. ``canonical`` tells whether searching
    was enough or the whole document had to be parsed.
    """

    packages: tuple[Package, ...]
    count: int
    declared: int | None
    canonical: bool


def read_primary(path: Path, item: Item, wanted: Wanted = EVERYTHING) -> Primary:
    """Return the wanted packages of the file at ``path``, which the index describes as ``item``.

    Memory stays bounded whatever the size of the file. Raises ``MetadataError`` naming
    ``item.url`` unless size and checksum fit before and after decompression, and when the file is
    no primary.xml.
    """
    with path.open("rb") as stream:
        check_stream(stream, item.url, item.checksum, item.size)
        try:
            return _read(CanonicalReader(item.url, wanted), stream, item, canonical=True)
        except NotCanonical:
            return _read(FullReader(item.url, wanted), stream, item, canonical=False)


def _read(
    reader: CanonicalReader | FullReader, stream: BinaryIO, item: Item, *, canonical: bool
) -> Primary:
    stream.seek(0)
    with ahead(decompressed(stream, item.url)) as pieces:
        reader.read(_checked(pieces, item))
    return Primary(tuple(reader.packages), reader.count, reader.declared, canonical)


def _checked(pieces: Iterable[bytes], item: Item) -> Iterator[bytes]:
    check = Check(item.url, item.open_checksum, item.open_size, "decompressed")
    for piece in pieces:
        check.update(piece)
        yield piece
    check.finish()
