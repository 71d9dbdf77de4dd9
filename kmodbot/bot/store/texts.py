"""Texts of others, made fit for a column."""

from __future__ import annotations


def storable(text: str, length: int = 2000) -> str:
    """Return a text without what PostgreSQL refuses, cut to ``length`` characters."""
    without_nulls = text.replace("\0", "")[:length]
    return without_nulls.encode("utf-8", "replace").decode()
