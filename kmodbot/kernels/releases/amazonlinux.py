"""Amazon Linux: ``X.Y.Z-N.N.amznYYYY.arch``.

Kernels and their packages: https://docs.aws.amazon.com/linux/al2023/ug/kernel-update.html
"""

from __future__ import annotations

import re

from .reading import NUMBER, Reading

SHAPE = "X.Y.Z-N.N.amzn2023.arch, for example 6.12.58-82.121.amzn2023.x86_64"

_PATTERN = re.compile(
    rf"{NUMBER}-[0-9]{{1,4}}\.[0-9]{{1,4}}\.amzn(?P<tag>[0-9]{{1,4}})\.(?P<arch>x86_64|aarch64)"
)


def read(release: str) -> Reading | None:
    """Return what the release says, None when it has another shape."""
    match = _PATTERN.fullmatch(release)
    if match is None:
        return None
    return Reading((match["tag"],), tagged=True, architectures=(match["arch"],))
