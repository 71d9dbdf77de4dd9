"""The one error of the reader: metadata that must not be used."""

from __future__ import annotations


class MetadataError(Exception):
    """A file of a repository that was refused: which file, and why.

    ``str(error)`` is ``"{file}: {reason}"``; ``file`` is its URL, or its path on a disk.
    """

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason
