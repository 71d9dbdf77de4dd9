"""Debian: ``X.Y.Z-ABI-arch`` up to 6.1, ``X.Y.Z+debNN-arch`` since, and the older backports.

How the name is made: https://kernel-team.pages.debian.net/kernel-handbook/ch-versions.html
"""

from __future__ import annotations

import re

from ..architectures import AARCH64, X86_64
from .reading import NUMBER, ForeignReleaseError, Reading

SHAPE = "X.Y.Z-N-arch or X.Y.Z+debN-arch, for example 6.1.0-38-amd64 or 6.12.57+deb13-cloud-amd64"

_PATTERN = re.compile(
    rf"(?P<number>{NUMBER})"
    r"(?:-(?P<abi>[0-9]{1,4})"
    r"|-0\.(?:deb(?P<old_tag>[0-9]{1,2})|bpo)\.[0-9]{1,4}"
    r"|\+(?:deb(?P<tag>[0-9]{1,2})|bpo)(?:\+[0-9]{1,3})?)"  # +1: an upstream uploaded again
    r"-(?:cloud-|rt-)?(?P<arch>amd64|arm64(?:-16k)?)"
)
_CANDIDATE = re.compile(rf"{NUMBER}-rc[0-9]{{1,2}}-[a-z0-9-]+")

# The stable releases and the kernel series each was born with: https://wiki.debian.org/DebianKernel
_VERSIONS = {
    "3.2": ("7",),
    "3.16": ("8",),
    "4.9": ("9",),
    "4.19": ("10",),
    "5.10": ("11",),
    "6.1": ("12",),
    "6.12": ("13",),
}


def read(release: str) -> Reading | None:
    """Return what the release says, None when it has another shape.

    Raises ForeignReleaseError, naming the origin, for the shape of a known other system.
    """
    if _CANDIDATE.fullmatch(release):
        raise ForeignReleaseError("Debian experimental (a release candidate)")
    match = _PATTERN.fullmatch(release)
    if match is None:
        return None
    architectures = (X86_64 if match["arch"] == "amd64" else AARCH64,)
    tag = match["tag"] or match["old_tag"]
    if tag:
        return Reading((tag,), tagged=True, architectures=architectures)
    # bpo marks a backport without saying to which Debian.
    candidates = series_versions(match["number"]) if match["abi"] else ()
    return Reading(candidates, architectures=architectures)


def series_versions(number: str) -> tuple[str, ...]:
    """Return the distro version that was born with the series of a number such as ``6.1.170``."""
    return _VERSIONS.get(".".join(number.split(".")[:2]), ())
