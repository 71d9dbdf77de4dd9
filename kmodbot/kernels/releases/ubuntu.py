"""Ubuntu: ``X.Y.Z-ABI-flavour``, e.g. ``6.8.0-63-generic``.

The same release is built for two Ubuntu versions whenever the older one receives the newer
kernel as its hardware enablement (HWE) stack, so it rarely says which one it is of.
"""

from __future__ import annotations

import re

from ..architectures import AARCH64
from .reading import NUMBER, ForeignReleaseError, Reading

SHAPE = "X.Y.Z-ABI-flavour, for example 6.8.0-63-generic"

_PATTERN = re.compile(
    rf"({NUMBER})-([0-9]{{1,6}})-([a-z][a-z0-9]{{0,19}}(?:-[a-z0-9]{{1,20}}){{0,3}})"
)

# The LTS column of https://ubuntu.com/kernel/lifecycle: the LTS that got a series as HWE, then the
# version the series was born in. One entry alone is of a series that only that LTS ever had, as
# OEM kernels do: https://wiki.ubuntu.com/Kernel/OEMKernel. To be extended with each Ubuntu release.
_VERSIONS = {
    "3.13": ("14.04",),
    "3.16": ("14.04", "14.10"),
    "3.19": ("14.04", "15.04"),
    "4.2": ("14.04", "15.10"),
    "4.4": ("14.04", "16.04"),
    "4.8": ("16.04", "16.10"),
    "4.10": ("16.04", "17.04"),
    "4.11": ("16.04",),
    "4.13": ("16.04", "17.10"),
    "4.15": ("16.04", "18.04"),
    "4.18": ("18.04", "18.10"),
    "5.0": ("18.04", "19.04"),
    "5.3": ("18.04", "19.10"),
    "5.4": ("18.04", "20.04"),
    "5.6": ("20.04",),
    "5.8": ("20.04", "20.10"),
    "5.10": ("20.04",),
    "5.11": ("20.04", "21.04"),
    "5.13": ("20.04", "21.10"),
    "5.14": ("20.04",),
    "5.15": ("20.04", "22.04"),
    "5.17": ("22.04",),
    "5.19": ("22.04", "22.10"),
    "6.0": ("22.04",),
    "6.1": ("22.04",),
    "6.2": ("22.04", "23.04"),
    "6.5": ("22.04", "23.10"),
    "6.8": ("22.04", "24.04"),
    "6.11": ("24.04", "24.10"),
    "6.14": ("24.04", "25.04"),
    "6.17": ("24.04", "25.10"),
    "7.0": ("24.04", "26.04"),
}

# Others number their kernels the same way; these words give them away.
_OTHERS = {
    "amd64": "Debian",
    "arm64": "Debian",
    "default": "openSUSE",
    "linuxkit": "Docker Desktop (LinuxKit)",
    "lts": "Alpine Linux",
    "microsoft": "Windows Subsystem for Linux",
    "pve": "Proxmox VE",
    "virt": "Alpine Linux",
}


def read(release: str) -> Reading | None:
    """Return what the release says, None when it has another shape.

    Raises ForeignReleaseError, naming the origin, for the shape of a known other system.
    """
    match = _PATTERN.fullmatch(release)
    if match is None:
        return None
    number, abi, flavour = match.groups()
    words = flavour.split("-")
    for word in words:
        if word in _OTHERS:
            raise ForeignReleaseError(
                f"{_OTHERS[word]} (the flavour {flavour!r} is not one of Ubuntu's)"
            )
    series = ".".join(number.split(".")[:2])
    # Mainline builds (ABI 061700 for 6.17.0) are made for no Ubuntu version in particular:
    # https://wiki.ubuntu.com/Kernel/MainlineBuilds
    candidates = () if abi.startswith("0") else _VERSIONS.get(series, ())
    if words[-1] in {"64k", "raspi"}:
        return Reading(candidates, architectures=(AARCH64,))
    return Reading(candidates)
