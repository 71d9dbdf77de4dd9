"""Getting a file whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import web
from .failures import NotVerified, Unreachable
from .patience import TransientError

if TYPE_CHECKING:
    from hashlib import _Hash
    from http.client import HTTPResponse
    from types import TracebackType

_PIECE = 1 << 16
_LARGEST = 256 << 20
_STALLED = 60.0
_OK, _NOT_FOUND = 200, 404


class Partial:
    """A file on its way: beside its final place, and gone again unless it was kept.

    Directories that were made for it go too when nothing else came into them.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._made = [path for path in target.parents if not path.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.name}.", suffix=".part"
        )
        self._file = os.fdopen(number, "w+b")
        self.path = Path(name)
        self.sha256 = ""
        self.size = 0

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for path in self._made:
                path.rmdir()

    def download(self, url: str, token: str | None = None) -> bool:
        """Fill the file from an address; False when there is nothing at it.

        ``token`` is shown to the server of the address and to none that it redirects to.

        Raises TransientError for a download that broke off, NotVerified for one without end.
        """
        with web.opened(web.request(url, token=token), _STALLED) as response:
            if response.status == _NOT_FOUND:
                return False
            if response.status != _OK:
                raise Unreachable(f"{url} answered {response.status}")
            self._fill(response)
            expected = response.headers.get("Content-Length")
        if expected is not None and int(expected) != self.size:
            raise TransientError(f"download broke off at {self.size} of {expected} bytes")
        return True

    def write(self, content: bytes) -> None:
        """Fill the file with the content."""
        self._restart()
        self._add(content, hashlib.sha256())

    def keep(self) -> Path:
        """Put the file in its final place, safely on disk, and return that."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self.path.chmod(0o644)
        self.path.replace(self._target)
        _sync_directory(self._target.parent)
        return self._target

    def _fill(self, response: HTTPResponse) -> None:
        self._restart()
        digest = hashlib.sha256()
        for piece in iter(lambda: response.read(_PIECE), b""):
            self._add(piece, digest)
            if self.size > _LARGEST:
                raise NotVerified(f"a package of more than {_LARGEST >> 20} MiB is not believed")
        self._file.flush()

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def _add(self, piece: bytes, digest: _Hash) -> None:
        digest.update(piece)
        self._file.write(piece)
        self.size += len(piece)
        self.sha256 = digest.hexdigest()


def _sync_directory(path: Path) -> None:
    # A rename is only on disk once its directory is: https://man7.org/linux/man-pages/man2/fsync.2.html
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
