"""Downloads on the disk: whole ones by their content, broken ones to go on with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_PIECE = 1 << 20


@dataclass(frozen=True)
class Record:
    """What a server said of a file, to ask later whether that still holds.

    https://www.rfc-editor.org/rfc/rfc9110#name-validator-fields
    """

    etag: str = ""
    modified: str = ""
    sha256: str = ""

    @classmethod
    def of(cls, response: Any) -> Record:
        """Return what the answer says."""
        headers = response.headers
        return cls(headers.get("ETag") or "", headers.get("Last-Modified") or "")

    @property
    def if_range(self) -> str:
        """What may stand in If-Range: a strong tag, else the time, else nothing."""
        strong = self.etag if self.etag.startswith('"') else ""
        return strong or self.modified

    def unchanged(self) -> dict[str, str]:
        """Return the headers of a request for the file unless it is still the same."""
        fields = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in fields.items() if value}


class Store:
    """The files below `directory`, which several builders may use at the same time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        for name in ("content", "partial", "seen"):
            (directory / name).mkdir(parents=True, exist_ok=True)

    def find(self, sha256: str) -> Path | None:
        """Return the file with this content, None when it is not there or was damaged."""
        path = self._directory / "content" / sha256
        if not sha256 or not path.is_file():
            return None
        if digest_of(path) != sha256:
            path.unlink(missing_ok=True)
            return None
        return path

    def keep(self, path: Path, sha256: str) -> Path:
        """Move a file with this content to where it is found again."""
        return path.replace(self._directory / "content" / sha256)

    def partial(self, url: str) -> Path:
        """Return where the download from `url` is collected."""
        return self._directory / "partial" / _key(url)

    def seen(self, url: str) -> Path:
        """Return where the record of the last download from `url` is."""
        return self._directory / "seen" / _key(url)


def read_record(path: Path) -> Record:
    """Return the record at `path`, an empty one when there is none that can be read."""
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Record()


def write_record(path: Path, record: Record) -> None:
    """Write the record to `path`."""
    path.write_text(json.dumps(asdict(record)), encoding="utf-8")


def digest_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            digest.update(piece)
    return digest.hexdigest()


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]
