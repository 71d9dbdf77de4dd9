"""Decompression of metadata files: by magic number, in pieces, and with an end."""

from __future__ import annotations

import bz2
import lzma
import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

import zstandard

from .errors import MetadataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The most a file may grow to, in bytes; the largest real ones are well below a tenth of it.
MAX_OPEN_SIZE = 4 << 30
#: The most a file may grow by: real metadata grows 5 to 25 times.
MAX_RATIO = 400
# Files below this grow by more without harm.
_FREE = 16 << 20


def _inflater() -> Any:
    """Return Intel's igzip where it is installed: the interface of zlib at twice its speed."""
    try:
        return import_module("isal.isal_zlib")
    except ModuleNotFoundError:
        return zlib


_zlib = _inflater()
_READ = 1 << 16
#: The most bytes in one piece of what ``decompressed`` yields.
PIECE = 1 << 18
# What a decoder may need for its window: the default presets stay below, hostile headers do not.
_MAX_WINDOW = 64 << 20


def decompressed(stream: BinaryIO, file: str) -> Iterator[bytes]:
    """Yield the contents of a file in pieces of at most ``PIECE`` bytes.

    Understands gzip, zstd, xz, bzip2 and uncompressed XML. Raises ``MetadataError`` naming
    ``file`` for zchunk and unknown formats, for damaged or truncated data, and when the contents
    grow past ``MAX_OPEN_SIZE`` or ``MAX_RATIO``.
    """
    magic = stream.read(6)
    stream.seek(0)
    opener = _opener(magic, file)
    total = 0
    try:
        for piece in opener(stream):
            total += len(piece)
            if total > MAX_OPEN_SIZE or total > _FREE + MAX_RATIO * stream.tell():
                reason = f"grows past {total} bytes out of {stream.tell()}: a decompression bomb"
                raise MetadataError(file, reason)
            yield piece
    except (
        zlib.error,
        _zlib.error,
        lzma.LZMAError,
        zstandard.ZstdError,
        OSError,
        EOFError,
    ) as error:
        raise MetadataError(file, f"is damaged or truncated: {error}") from None


def _opener(magic: bytes, file: str) -> Callable[[BinaryIO], Iterator[bytes]]:
    for start, opener in _FORMATS.items():
        if magic.startswith(start):
            return opener
    if magic.startswith(b"\0ZCK1"):
        raise MetadataError(file, "is zchunk, which is not read; use the plain primary metadata")
    if magic.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _plain
    raise MetadataError(file, f"starts with {magic.hex()!r}: not gzip, zstd, xz, bzip2 or XML")


def _plain(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


def _gzip(stream: BinaryIO) -> Iterator[bytes]:
    member = _zlib.decompressobj(wbits=31)
    data = b""
    while data or (data := stream.read(_READ)):
        if member.eof:
            member = _zlib.decompressobj(wbits=31)
        piece = member.decompress(data, PIECE)
        data = member.unused_data if member.eof else member.unconsumed_tail
        if piece:
            yield piece
    if not member.eof:
        raise EOFError("it ends in the middle of the compressed data")


def _xz(stream: BinaryIO) -> Iterator[bytes]:
    return _frames(stream, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_WINDOW * 2))


def _bzip2(stream: BinaryIO) -> Iterator[bytes]:
    return _frames(stream, bz2.BZ2Decompressor)


def _frames(
    stream: BinaryIO, start: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor]
) -> Iterator[bytes]:
    decoder = start()
    data = b""
    while True:
        if decoder.eof:
            data = decoder.unused_data or stream.read(_READ)
            if not data:
                return
            decoder = start()
        elif decoder.needs_input:
            data = stream.read(_READ)
            if not data:
                raise EOFError("it ends in the middle of the compressed data")
        piece = decoder.decompress(data, PIECE)
        data = b""
        if piece:
            yield piece


def _zstd(stream: BinaryIO) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    with decoder.stream_reader(stream, _READ, read_across_frames=True, closefd=False) as reader:
        while piece := reader.read(PIECE):
            yield piece


_FORMATS: dict[bytes, Callable[[BinaryIO], Iterator[bytes]]] = {
    b"\x1f\x8b": _gzip,
    b"\xfd7zXZ\0": _xz,
    b"BZh": _bzip2,
    b"\x28\xb5\x2f\xfd": _zstd,
}
