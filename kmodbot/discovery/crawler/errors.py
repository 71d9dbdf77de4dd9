"""What can be wrong with a list."""

from __future__ import annotations


class BadListError(Exception):
    """A list that cannot be used as it is; the message names the file, the place and a remedy."""


class UnreachableError(Exception):
    """A list that could not be fetched; what it holds is unknown, which is not "nothing"."""
