"""What one job can build together: the kernels of one image."""

from __future__ import annotations

from typing import NamedTuple

from kmodbot.kernels import Kernel, version_key


class Group(NamedTuple):
    """The image a kernel is built on: distribution, distro version and architecture."""

    distribution: str
    distro_version: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.distro_version} {self.architecture}"

    def kernel(self, release: str) -> Kernel:
        """Return the kernel of a release that is known to be of this group."""
        return Kernel(self.distribution, self.distro_version, self.architecture, release)


def group_order(group: Group) -> tuple[object, ...]:
    """Return the key groups are sorted by: ``ubuntu 9.10`` before ``ubuntu 22.04``."""
    return group.distribution, version_key(group.distro_version), group.architecture
