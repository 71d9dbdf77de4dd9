"""Fedora: the release says everything. Rebuilds by others carry the tag too and are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answer import Answer, read_own

if TYPE_CHECKING:
    from ..entry import Entry


def read(entry: Entry) -> Answer:
    """Return what a Fedora entry is; UnsupportedError when it is none."""
    reading = read_own("fedora", entry.kernelrelease)
    (architecture,) = reading.architectures
    return Answer(reading.candidates, (entry.kernelrelease,), architecture)
