"""Checksums of files: parse them, and refuse a file that does not match."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import MetadataError

if TYPE_CHECKING:
    from typing import BinaryIO

# The names in the metadata and those of hashlib: "sha" is how old tools wrote sha1.
_ALGORITHMS = {
    "md5": "md5",
    "sha": "sha1",
    "sha1": "sha1",
    "sha224": "sha224",
    "sha256": "sha256",
    "sha384": "sha384",
    "sha512": "sha512",
}
_PIECE = 1 << 18


@dataclass(frozen=True)
class Digest:
    """A checksum: ``algorithm`` as hashlib names it, ``value`` in lower-case hexadecimal."""

    algorithm: str
    value: str

    @classmethod
    def parse(cls, algorithm: str, value: str, file: str) -> Digest:
        """Return the digest that a metadata file states; ``MetadataError`` when it is none."""
        known = _ALGORITHMS.get(algorithm)
        if known is None:
            raise MetadataError(file, f"states a checksum of the unknown type {algorithm!a}")
        value = value.strip().lower()
        length = 2 * hashlib.new(known, usedforsecurity=False).digest_size
        if not re.fullmatch(rf"[0-9a-f]{{{length}}}", value):
            raise MetadataError(file, f"states {value[:80]!a}, which is no {known} checksum")
        return cls(known, value)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


class Check:
    """Takes the bytes of one file as they come and compares them with what was stated of it."""

    def __init__(self, file: str, digest: Digest | None, size: int | None, what: str = "") -> None:
        self._file = file
        self._expected = digest
        self._size = size
        self._what = what
        self._seen = 0
        self._hash = None
        if digest is not None:
            self._hash = hashlib.new(digest.algorithm, usedforsecurity=False)

    def update(self, piece: bytes) -> None:
        """Take the next bytes; ``MetadataError`` as soon as they are more than stated."""
        self._seen += len(piece)
        if self._size is not None and self._seen > self._size:
            raise self._error(f"is longer than the {self._size} bytes stated")
        if self._hash is not None:
            self._hash.update(piece)

    def finish(self) -> None:
        """Raise ``MetadataError`` unless size and digest are those stated."""
        if self._size is not None and self._seen != self._size:
            raise self._error(f"has {self._seen} bytes, {self._size} were stated")
        if self._hash is None or self._expected is None:
            return
        found = Digest(self._expected.algorithm, self._hash.hexdigest())
        if found != self._expected:
            raise self._error(f"has the checksum {found}, {self._expected} was stated")

    def _error(self, reason: str) -> MetadataError:
        return MetadataError(self._file, f"{self._what} {reason}".lstrip())


def check_stream(stream: BinaryIO, file: str, digest: Digest | None, size: int | None) -> None:
    """Raise ``MetadataError`` unless the rest of the stream has the digest and size (bytes)."""
    check = Check(file, digest, size)
    while piece := stream.read(_PIECE):
        check.update(piece)
    check.finish()
