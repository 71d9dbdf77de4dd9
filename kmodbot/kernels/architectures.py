"""Architectures: one form for storing, another for the names of packages."""

from __future__ import annotations

from .errors import InvalidInput, show

X86_64 = "x86_64"
AARCH64 = "aarch64"
ARCHITECTURES = (AARCH64, X86_64)

_SPELLINGS = {X86_64: X86_64, "amd64": X86_64, AARCH64: AARCH64, "arm64": AARCH64}
_IN_PACKAGES = {X86_64: "amd64", AARCH64: "arm64"}


def parse_architecture(value: str) -> str:
    """Return the stored form of an architecture: ``x86_64`` or ``aarch64``.

    Raises ``InvalidInput("architecture")`` for any spelling but those and ``amd64``, ``arm64``.
    """
    try:
        return _SPELLINGS[value]
    except KeyError:
        expected = "expected x86_64 (amd64) or aarch64 (arm64)"
        raise InvalidInput("architecture", f"{expected}, got {show(value)}") from None


def package_architecture(architecture: str) -> str:
    """Return the form that stands in package names: ``amd64`` or ``arm64``."""
    return _IN_PACKAGES[parse_architecture(architecture)]
