"""What a kernel release says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from ..architectures import ARCHITECTURES

#: Upstream's own number, as every distribution puts it first.
NUMBER = r"[1-9][0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,4}"


class ForeignReleaseError(Exception):
    """A release of some other system than the one that was asked for; ``str`` says which."""


@dataclass(frozen=True)
class Reading:
    """What one release says: the distro versions and architectures it can be of.

    ``candidates`` is empty when the release says nothing of the distro version. ``tagged`` is
    true when the distro version stands in the release itself, so that nothing may contradict it.
    """

    candidates: tuple[str, ...]
    tagged: bool = False
    architectures: tuple[str, ...] = ARCHITECTURES
