"""Kernel releases, as ``uname -r`` prints them: one file per distribution, and what unites them."""

from __future__ import annotations

from typing import Protocol

from ..errors import InvalidInput, show
from . import amazonlinux, centos, debian, fedora, ubuntu
from .reading import ForeignReleaseError, Reading

__all__ = ["Reading", "distro_version_candidates", "read_release"]


class _Grammar(Protocol):
    SHAPE: str

    def read(self, release: str) -> Reading | None: ...


# The kernel itself holds a release in 64 characters (__NEW_UTS_LEN):
# https://man7.org/linux/man-pages/man2/uname.2.html
_LONGEST = 64

_GRAMMARS: dict[str, _Grammar] = {
    "ubuntu": ubuntu,
    "debian": debian,
    "fedora": fedora,
    "centos": centos,
    "amazonlinux": amazonlinux,
}


def read_release(distribution: str, release: str) -> Reading:
    """Return what a kernel release of the distribution says of itself.

    Raises ``InvalidInput("kernel_version")`` with the expected shape, and with the system the
    release seems to be of where that can be told. ``distribution`` is one of the five.
    """
    grammar = _GRAMMARS[distribution]
    expected = f"expected a release of {distribution}, {grammar.SHAPE}"
    if len(release) > _LONGEST:
        raise InvalidInput("kernel_version", f"{expected}, of at most {_LONGEST} characters")
    try:
        reading = grammar.read(release)
    except ForeignReleaseError as foreign:
        message = f"{show(release)} is not of {distribution} but of {foreign}"
        raise InvalidInput("kernel_version", message) from None
    if reading is None:
        origin = _origin(release)
        looks = f", which looks like {origin}" if origin else ""
        raise InvalidInput("kernel_version", f"{expected}; got {show(release)}{looks}")
    return reading


def distro_version_candidates(distribution: str, release: str) -> tuple[str, ...]:
    """Return the distro versions a release can be of, judged by itself alone.

    Empty: it says nothing (or is no release of the distribution); one: that one; several: it is
    ambiguous. The versions are facts of the distribution, whether or not they are supported.
    """
    if distribution not in _GRAMMARS:
        return ()
    try:
        return read_release(distribution, release).candidates
    except InvalidInput:
        return ()


def _origin(release: str) -> str | None:
    """Return the system whose grammar a release of unfitting shape follows."""
    origins = (_owner(distribution, release) for distribution in _GRAMMARS)
    found = next((origin for origin in origins if origin), None)
    return found or _OTHERS.get(release.rpartition("-")[2].lower())


def _owner(distribution: str, release: str) -> str | None:
    try:
        return distribution if _GRAMMARS[distribution].read(release) else None
    except ForeignReleaseError as foreign:
        return str(foreign)


# Systems whose release ends in their own word and has no shape in common with the five.
_OTHERS = {
    "linuxkit": "Docker Desktop (LinuxKit)",
    "wsl2": "Windows Subsystem for Linux",
    "flatcar": "Flatcar Container Linux",
    "talos": "Talos Linux",
    "pve": "Proxmox VE",
}
