"""What kmodbot has done so far: by it, files that nobody edited are told from the others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST = ".github/kmodbot/manifest.json"
# Beside the paths, none of which looks like this.
_IMAGES, _LEFT_OUT = "images", "left out"


@dataclass(frozen=True)
class Manifest:
    """The digest of what was written last, by path, and whether images are built here."""

    digests: Mapping[str, str] = field(default_factory=dict)
    images: bool = True

    @property
    def content(self) -> bytes:
        """The text of the file."""
        images = {} if self.images else {_IMAGES: _LEFT_OUT}
        return (json.dumps({**self.digests, **images}, indent=2, sort_keys=True) + "\n").encode()


def digest(content: bytes) -> str:
    """Return the sha256 by which a content is known."""
    return hashlib.sha256(content).hexdigest()


def read_manifest(root: Path) -> Manifest:
    """Return the repository's manifest, an empty one at first; raises RepositoryError."""
    try:
        document = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        # What stands where a folder has to be is found when the files are looked at.
        return Manifest()
    except (OSError, ValueError) as error:
        raise _unreadable() from error
    if not isinstance(document, dict) or not all(isinstance(v, str) for v in document.values()):
        raise _unreadable()
    images = document.pop(_IMAGES, None) != _LEFT_OUT
    return Manifest(document, images)


def _unreadable() -> RepositoryError:
    return RepositoryError(
        f"{MANIFEST} is not what kmodbot wrote; restore it, or delete it and look through "
        "the files that are named as edited then"
    )
