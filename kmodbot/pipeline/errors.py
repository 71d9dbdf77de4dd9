"""What can go wrong in a build, each with the exit status it ends with."""

from __future__ import annotations


class BuildError(Exception):
    """The build cannot go on; the message says why and what a person can do."""

    exit_status = 1


class BadInput(BuildError):
    """An input is missing or malformed; the message names it."""

    exit_status = 2


class HeadersNotFound(BuildError):
    """One source of headers does not have the kernel; the next one may."""
