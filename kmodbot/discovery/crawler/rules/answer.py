"""What the rules of a distribution answer, and how they read a release."""

from __future__ import annotations

from typing import NamedTuple

from kmodbot.kernels import InvalidInput, package_architecture, parse_architecture
from kmodbot.kernels.releases import Reading, read_release


class UnsupportedError(Exception):
    """The kernel is none of ours; ``cause`` is the reason in words that fit many entries."""

    def __init__(self, cause: str, detail: str | None = None) -> None:
        super().__init__(detail or cause)
        self.cause = cause


class Answer(NamedTuple):
    """The distro versions that remain (one: it is that), and the kernel releases.

    ``alone`` holds the distro versions that the kernel release alone could be of.
    """

    versions: tuple[str, ...]
    releases: tuple[str, ...]
    architecture: str | None
    alone: tuple[str, ...] = ()


def read_own(distribution: str, release: str) -> Reading:
    """Return what a release says; UnsupportedError unless it is one of the distribution."""
    try:
        return read_release(distribution, release)
    except InvalidInput as error:
        raise UnsupportedError(f"not a kernel release of {distribution}", error.message) from None


def known_architecture(package: str) -> str | None:
    """Return the architecture of a package's ``amd64`` or ``arm64``, None for any other."""
    try:
        architecture = parse_architecture(package)
    except InvalidInput:
        return None
    return architecture if package_architecture(architecture) == package else None
