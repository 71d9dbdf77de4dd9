"""Which kernel a package of an Amazon Linux repository names.

A live patch leaves the kernel release as it is: its package carries the version and release of
the kernel it patches in its own name, and its distribution tag in its own release.
https://docs.aws.amazon.com/linux/al2023/ug/live-patching.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kmodbot.kernels import ARCHITECTURES, InvalidInput, Kernel

if TYPE_CHECKING:
    from kmodbot.discovery.rpmmd import Package

_LIVEPATCH = re.compile(r"kernel-livepatch-([0-9]+(?:\.[0-9]+){2}-[0-9]+\.[0-9]+)")
_LIVEPATCH_RELEASE = re.compile(r"(?P<number>[0-9]+)\.(?P<tag>amzn[0-9]+)")
# One family of packages per line of kernels: kernel, kernel6.12, kernel6.18 and those to come.
_KERNEL = re.compile(r"kernel(?:[0-9]+\.[0-9]+)?(?P<devel>-devel)?")


class Role(Enum):
    """How a package names a kernel."""

    LIVEPATCH = "livepatch"
    #: The empty package that the core repository has for each kernel that can be patched.
    STUB = "stub"
    KERNEL = "kernel"
    DEVEL = "devel"

    @property
    def repository(self) -> str:
        """The repository where Amazon keeps such packages: ``livepatch`` or ``core``."""
        return "livepatch" if self is Role.LIVEPATCH else "core"


@dataclass(frozen=True)
class Named:
    """A kernel release as a package names it, and in which role."""

    role: Role
    release: str


def may_name_a_kernel(name: str) -> bool:
    """Tell whether a package of this name may name a kernel."""
    return bool(_KERNEL.fullmatch(name) or _LIVEPATCH.fullmatch(name))


def named_by(package: Package) -> Named | None:
    """Return the kernel release that a package names, of whatever distribution; None for none."""
    if package.arch not in ARCHITECTURES:
        return None
    livepatch = _LIVEPATCH.fullmatch(package.name)
    if livepatch:
        built = _LIVEPATCH_RELEASE.fullmatch(package.release)
        if built is None:
            return None
        role = Role.LIVEPATCH if int(built["number"]) else Role.STUB
        return Named(role, f"{livepatch[1]}.{built['tag']}.{package.arch}")
    kernel = _KERNEL.fullmatch(package.name)
    if kernel is None:
        return None
    role = Role.DEVEL if kernel["devel"] else Role.KERNEL
    return Named(role, f"{package.version}-{package.release}.{package.arch}")


def parse_kernel(named: Named, architecture: str) -> Kernel:
    """Return the kernel; ``InvalidInput`` for one of another distribution or distro version.

    Field ``distro_version`` then means another version of Amazon Linux, such as ``.amzn2``.
    """
    return Kernel.parse(
        distribution="amazonlinux", architecture=architecture, release=named.release
    )


def is_amazon(error: InvalidInput) -> bool:
    """Tell whether a kernel that was refused is at least one of Amazon Linux."""
    return error.field == "distro_version"
