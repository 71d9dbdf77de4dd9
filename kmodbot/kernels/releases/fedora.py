"""Fedora: ``X.Y.Z-REL.fcNN.arch``, with ``+variant`` for the kernels built differently.

The tag is the dist tag: https://docs.fedoraproject.org/en-US/packaging-guidelines/DistTag/
"""

from __future__ import annotations

import re

from .reading import NUMBER, ForeignReleaseError, Reading

SHAPE = "X.Y.Z-REL.fcNN.arch, for example 6.14.0-100.fc42.x86_64"

#: What the builds of Fedora and CentOS may carry after the architecture: +debug, +64k-debug ...
VARIANT = r"(?:\+[a-z0-9]{1,16}(?:-[a-z0-9]{1,16}){0,2})?"

_CANDIDATE = r"0\.rc[0-9]{1,2}\.(?:[0-9]{6,8}g(?:it)?[0-9a-f]{7,40}\.)?"
_PATTERN = re.compile(
    rf"{NUMBER}-(?:{_CANDIDATE})?[0-9]{{1,6}}(?:\.[0-9]{{1,6}}){{0,3}}"
    rf"\.fc(?P<tag>[0-9]{{1,3}})\.(?P<arch>x86_64|aarch64){VARIANT}"
)
_REBUILD = re.compile(rf"{NUMBER}-[0-9a-z._]*?\.?([a-z][a-z0-9_]*)[0-9.]*\.fc[0-9]+\.[a-z0-9_+-]+")


def read(release: str) -> Reading | None:
    """Return what the release says, None when it has another shape.

    Raises ForeignReleaseError, naming the origin, for the shape of a known other system.
    """
    match = _PATTERN.fullmatch(release)
    if match:
        return Reading((match["tag"],), tagged=True, architectures=(match["arch"],))
    rebuild = _REBUILD.fullmatch(release)
    if rebuild:
        raise ForeignReleaseError(
            f"a rebuild of Fedora's kernel ({rebuild[1]!r} is not Fedora's own)"
        )
    return None
