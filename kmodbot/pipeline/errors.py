"""What can go wrong in a build, each with the exit status it ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class BuildError(Exception):
    """The build cannot go on; the message says why and what a person can do."""

    exit_status = 1


class BadInput(BuildError):
    """An input is missing or malformed; the message names it."""

    exit_status = 2


class Unequipped(BuildError):
    """The machine lacks a program, a key or the right distribution; the message names it."""


class HeadersNotFound(BuildError):
    """One source of headers does not have the kernel; the next one may."""


class NoAnswer(HeadersNotFound):
    """A source could not be asked, or not believed, so it may have the kernel all the same."""


def together(errors: Sequence[HeadersNotFound]) -> HeadersNotFound:
    """Return what several places of one source said, each thing once."""
    text = "; ".join(dict.fromkeys(map(str, errors)))
    unknown = any(isinstance(error, NoAnswer) for error in errors)
    return NoAnswer(text) if unknown else HeadersNotFound(text)
