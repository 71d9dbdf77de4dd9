"""Distributions: which are supported, and what a machine's os-release says it runs."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from .errors import InvalidInput, show

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Distribution -> its distro versions that have an image to build in.
SUPPORTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ubuntu": ("22.04", "24.04", "25.10", "26.04"),
        "debian": ("12", "13"),
        "fedora": ("42", "43"),
        "centos": ("stream9", "stream10"),
        "amazonlinux": ("2023",),
    }
)

# Relatives and others that people try: naming them beats "unknown".
_UNSUPPORTED = {
    "almalinux": "AlmaLinux",
    "arch": "Arch Linux",
    "bottlerocket": "Bottlerocket",
    "cos": "Container-Optimized OS",
    "flatcar": "Flatcar Container Linux",
    "linuxmint": "Linux Mint",
    "opensuse-leap": "openSUSE Leap",
    "pop": "Pop!_OS",
    "rhel": "Red Hat Enterprise Linux",
    "rocky": "Rocky Linux",
    "talos": "Talos Linux",
}

_IDS = {
    "amzn": "amazonlinux",
    "centos": "centos",
    "debian": "debian",
    "fedora": "fedora",
    "ubuntu": "ubuntu",
}

_LINE = re.compile(
    r"""\s*([A-Za-z_][A-Za-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"'\\]*))\s*"""
)
_ESCAPE = re.compile(r"""\\([\\$"'`])""")


def parse_distribution(value: str) -> str:
    """Return the distribution; ``InvalidInput("distribution")`` unless it is a supported one."""
    if value in SUPPORTED:
        return value
    expected = f"expected one of {', '.join(SUPPORTED)}"
    if value in _UNSUPPORTED:
        raise InvalidInput("distribution", f"{_UNSUPPORTED[value]} is not supported; {expected}")
    raise InvalidInput("distribution", f"{expected}, got {show(value)}")


def require_supported(distribution: str, distro_version: str) -> None:
    """Raise ``InvalidInput("distro_version")`` unless there is an image for this distro version."""
    versions = SUPPORTED[distribution]
    if distro_version not in versions:
        message = f"{distribution} {show(distro_version)} is not supported; expected one of"
        raise InvalidInput("distro_version", f"{message} {', '.join(versions)}")


def parse_os_release(text: str) -> dict[str, str]:
    """Return the assignments of an os-release file, quotes and escapes resolved.

    Lines that are no assignment are passed over and of two the later counts, as in a shell:
    https://www.freedesktop.org/software/systemd/man/latest/os-release.html
    """
    found = {}
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match:
            name, double, single, plain = match.groups()
            found[name] = single or plain or _ESCAPE.sub(r"\1", double or "")
    return found


def host_distribution(os_release: Mapping[str, str]) -> tuple[str, str]:
    """Return the distribution and distro version that an os-release names.

    Only ``ID`` and ``VERSION_ID`` count: a derivative that lists one of ours in ``ID_LIKE`` has
    kernels of its own. Raises ``InvalidInput`` for everything that is not supported.
    """
    distribution = _IDS.get(os_release.get("ID", ""))
    if distribution is None:
        raise _unsupported(os_release)
    number = os_release.get("VERSION_ID", "")
    if not number:
        message = f"os-release of {distribution} has no VERSION_ID; testing and sid have none"
        raise InvalidInput("distro_version", f"{message} and are not supported")
    distro_version = f"stream{number}" if distribution == "centos" else number
    require_supported(distribution, distro_version)
    return distribution, distro_version


def _unsupported(os_release: Mapping[str, str]) -> InvalidInput:
    identity = os_release.get("ID", "")
    name = _UNSUPPORTED.get(identity, os_release.get("NAME", "a system without a name"))
    message = f"os-release says ID={show(identity)} ({show(name)}), which is not supported"
    return InvalidInput("distribution", f"{message}; expected one of {', '.join(_IDS)}")
