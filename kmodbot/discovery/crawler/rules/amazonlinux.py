"""Amazon Linux: ``.amznNNNN.`` in the release, else the number in the target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .answer import Answer, UnsupportedError

if TYPE_CHECKING:
    from ..entry import Entry

_RELEASE = re.compile(
    r"[0-9]+(?:\.[0-9]+)+-[0-9]+(?:\.[0-9]+)*(?:\.amzn(?P<tag>[0-9]{1,4}))?\.(x86_64|aarch64)"
)
# Tags of Fedora, of Enterprise Linux and of Oracle's kernel for it.
_OTHERS = re.compile(r"\.(?:fc|el)[0-9]+|uek")
_REBUILD = "a rebuild by others, not a kernel of amazonlinux"


def read(entry: Entry) -> Answer:
    """Return what an Amazon Linux entry is; UnsupportedError when it is none."""
    match = _RELEASE.fullmatch(entry.kernelrelease)
    if _OTHERS.search(entry.kernelrelease):
        raise UnsupportedError(_REBUILD, f"{_REBUILD}: {entry.kernelrelease[:80]!a}")
    version = (match and match["tag"]) or entry.target.removeprefix("amazonlinux")
    if match is None or not version:
        raise UnsupportedError(
            "not a kernel release of amazonlinux",
            f"{entry.kernelrelease[:80]!a} is not of the form X.Y.Z-N.N.amzn2023.arch",
        )
    return Answer((version,), (entry.kernelrelease,), match[2])
