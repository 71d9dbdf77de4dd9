"""CentOS Stream: ``X.Y.Z-N.el9.arch``, with ``+variant`` for the kernels built differently.

A minor number in the tag (``.el9_4``) is of RHEL and its rebuilds, which Stream runs ahead of:
https://www.centos.org/centos-stream/
"""

from __future__ import annotations

import re

from .fedora import VARIANT
from .reading import NUMBER, ForeignReleaseError, Reading

SHAPE = "X.Y.Z-N.elN.arch, for example 5.14.0-427.el9.x86_64"

_PATTERN = re.compile(
    rf"{NUMBER}-[0-9]{{1,6}}(?:\.[0-9]{{1,6}}){{0,4}}(?:\.rt[0-9]{{1,4}}(?:\.[0-9]{{1,4}}){{1,3}})?"
    rf"\.el(?P<tag>[0-9]{{1,2}})(?P<more>_[0-9]{{1,2}}|\.elrepo|\.[a-z][a-z0-9_]{{0,20}})?"
    rf"\.(?P<arch>x86_64|aarch64){VARIANT}"
)
# Of 8 there were both: CentOS Linux 8 until 2021 and CentOS Stream 8 until 2024.
_BOTH = 8


def read(release: str) -> Reading | None:
    """Return what the release says, None when it has another shape.

    Raises ForeignReleaseError, naming the origin, for the shape of a known other system.
    """
    match = _PATTERN.fullmatch(release)
    if match is None:
        return None
    number, more = int(match["tag"]), match["more"] or ""
    if more.startswith("_"):
        raise ForeignReleaseError(
            f"RHEL {number}.{more[1:]}, AlmaLinux or Rocky Linux, not CentOS Stream"
        )
    if more:
        raise ForeignReleaseError(f"{more[1:]}, a rebuild by others than CentOS")
    linux = (str(number),) if number <= _BOTH else ()
    stream = (f"stream{number}",) if number >= _BOTH else ()
    return Reading(linux + stream, tagged=True, architectures=(match["arch"],))
