"""The order of versions: numbers inside them count as numbers."""

from __future__ import annotations

import re
from typing import Union

_PIECES = re.compile(r"[0-9]+|[^0-9]+")

VersionKey = tuple[tuple[tuple[int, Union[int, str], str], ...], str]


def version_key(version: str) -> VersionKey:
    """Return a key that sorts ``6.1.9`` before ``6.1.10``; equal only for equal strings."""
    pieces = tuple(_rank(piece) for piece in _PIECES.findall(version))
    return pieces, version


def _rank(piece: str) -> tuple[int, int | str, str]:
    digits = piece.lstrip("0") if piece[0] in "0123456789" else None
    if digits is None:
        return 1, piece, ""
    # Length first, then digits: the same order as int(), which refuses very long ones.
    return 0, len(digits), digits
