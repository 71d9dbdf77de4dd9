"""Fetched files on the disk: documents by their URL, metadata files by their checksum."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .rpmmd import Digest

_KEPT_SECONDS = 30 * 24 * 3600
_SUFFIXES = (".document", ".file", ".part")
# Header of the answer -> header of the next request.
_VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}


@dataclass(frozen=True)
class Copy:
    """A document as it was last received, and the headers that ask whether it still holds."""

    body: bytes
    conditions: Mapping[str, str]


class Cache:
    """One directory; what was not used for 30 days is removed by ``prune``."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def document(self, url: str) -> Copy | None:
        """Return the copy of a document, None when there is none that can be used."""
        path = self._document(url)
        try:
            head, body = path.read_bytes().split(b"\n", 1)
            kept = json.loads(head)
            if kept["url"] != url or kept["sha256"] != hashlib.sha256(body).hexdigest():
                return None
            conditions = {str(name): str(value) for name, value in kept["conditions"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return Copy(body, conditions)

    def keep_document(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep a document with what its answer said of its state, if it said anything."""
        found = {ask: headers[name] for name, ask in _VALIDATORS.items() if name in headers}
        if not found:
            return
        digest = hashlib.sha256(body).hexdigest()
        head = json.dumps({"url": url, "sha256": digest, "conditions": found})
        with self.writing(self._document(url)) as file:
            file.write(head.encode() + b"\n" + body)

    def file(self, digest: Digest) -> Path:
        """Return the path of the file with this digest, whether or not it is there."""
        return self._directory / f"{digest.algorithm}-{digest.value}.file"

    @contextmanager
    def writing(self, path: Path) -> Iterator[BinaryIO]:
        """Give a file that becomes ``path`` when the block ends well, and vanishes otherwise."""
        descriptor, name = tempfile.mkstemp(suffix=".part", dir=self._directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def prune(self) -> None:
        """Remove what has not been used for long."""
        oldest = time.time() - _KEPT_SECONDS
        for path in self._directory.iterdir():
            if path.suffix in _SUFFIXES and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _document(self, url: str) -> Path:
        return self._directory / f"{hashlib.sha256(url.encode()).hexdigest()}.document"


def cache_directory() -> Path | None:
    """Return where programs keep such files, None where that cannot be written.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    with suppress(OSError, RuntimeError):
        base = Path(home) if Path(home).is_absolute() else Path.home() / ".cache"
        directory = base / "kmodbot" / "repositories"
        directory.mkdir(parents=True, exist_ok=True)
        if os.access(directory, os.W_OK):
            return directory
    return None
