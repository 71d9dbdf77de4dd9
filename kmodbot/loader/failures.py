"""The ways a run can end without a driver, each with its exit status."""

from __future__ import annotations


class Failure(Exception):
    """A run that ends without a driver; ``str`` tells the person at the node what to do."""

    exit_status = 1


class Refused(Failure):
    """The node, the options or the bot's rules do not allow this driver on this kernel."""

    exit_status = 2


class BuildFailed(Failure):
    """The build was carried out and failed."""

    exit_status = 3


class TimedOut(Failure):
    """The build was still going on when the time was over."""

    exit_status = 4


class NotVerified(Failure):
    """What was downloaded is not what was built, or not for this kernel."""

    exit_status = 5


class Unreachable(Failure):
    """A server could not be reached, or not be understood, until the time was over."""

    exit_status = 6


def printable(text: str, longest: int = 500) -> str:
    """Return words of a server as they may be printed on a terminal: one line, no controls."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:longest]
