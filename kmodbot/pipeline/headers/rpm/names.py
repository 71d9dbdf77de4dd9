"""Which package holds the headers of a kernel: read from the kernel release alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmodbot.kernels import Kernel

# The long-term kernel that Amazon Linux 2023 began with, whose packages have no number.
_UNNUMBERED = "6.1"
# The real-time kernels of Stream 9's first years were a build of their own.
_OLD_REAL_TIME = re.compile(r"\.rt[0-9]+\.")


@dataclass(frozen=True)
class DevelPackage:
    """The package with ``/usr/src/kernels/R``: the names it may have, the likeliest first.

    `build` is the source package, under whose name Koji keeps it.
    """

    names: tuple[str, ...]
    version: str
    release: str
    architecture: str
    build: str
    directory: str

    @property
    def suffix(self) -> str:
        """What follows the name, as in ``NAME-6.14.0-100.fc42.x86_64``."""
        return f"{self.version}-{self.release}.{self.architecture}"

    @property
    def specs(self) -> tuple[str, ...]:
        """The full names, without ``.rpm``."""
        return tuple(f"{name}-{self.suffix}" for name in self.names)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files."""
        return tuple(f"{spec}.rpm" for spec in self.specs)


def devel_package(kernel: Kernel) -> DevelPackage:
    """Return the package with the headers of `kernel`, a kernel of an rpm distribution.

    A variant such as ``+debug`` is part of the package's name, not of its version.
    https://docs.fedoraproject.org/en-US/quick-docs/kernel-build-custom/
    """
    base, _, variant = kernel.release.partition("+")
    version, _, rest = base.partition("-")
    release, _, architecture = rest.rpartition(".")
    if kernel.distribution == "amazonlinux":
        build = _amazon_build(version)
        # The first 6.12 kernels were still packaged without the number.
        # https://docs.aws.amazon.com/linux/al2023/release-notes/relnotes-2023.8.20250721.html
        names = tuple(dict.fromkeys((f"{build}-devel", "kernel-devel")))
    else:
        build = "kernel-rt" if _OLD_REAL_TIME.search(release) else "kernel"
        names = (f"{build}-{variant}-devel" if variant else f"{build}-devel",)
    directory = f"/usr/src/kernels/{kernel.release}"
    return DevelPackage(names, version, release, architecture, build, directory)


def _amazon_build(version: str) -> str:
    number = ".".join(version.split(".")[:2])
    return "kernel" if number == _UNNUMBERED else f"kernel{number}"
