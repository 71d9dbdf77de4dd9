"""Which files kmodbot has written, so that those nobody edited can be told from the others."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from .errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST = ".github/kmodbot/manifest.json"


def digest(content: bytes) -> str:
    """Return the sha256 by which a content is known."""
    return hashlib.sha256(content).hexdigest()


def read_manifest(root: Path) -> dict[str, str]:
    """Return path -> digest of what was written last; raises RepositoryError."""
    try:
        document = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _unreadable() from error
    if not isinstance(document, dict) or not all(isinstance(v, str) for v in document.values()):
        raise _unreadable()
    return document


def manifest(digests: Mapping[str, str]) -> bytes:
    """Return the text of the manifest."""
    return (json.dumps(digests, indent=2, sort_keys=True) + "\n").encode()


def _unreadable() -> RepositoryError:
    return RepositoryError(
        f"{MANIFEST} is not what kmodbot wrote; restore it, or delete it and look through "
        "the files that are named as edited then"
    )
