"""A discovered kernel: what it is, where it was seen, and whether it can be built for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmodbot.kernels import Kernel, version_key

from .naming import Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .repository import Found

PRESENT = "present"
MISSING = "missing"
UNKNOWN = "unknown"

#: What kernel-crawler calls the distribution.
TARGET = "amazonlinux2023"


@dataclass(frozen=True)
class Sighting:
    """A package that names a kernel.

    ``repository`` is ``livepatch`` or ``core``; ``package`` the full name; ``al2023_release`` the
    release of Amazon Linux whose list of packages had it, None where the repository does not say.
    """

    repository: str
    package: str
    al2023_release: str | None

    def as_json(self) -> dict[str, str]:
        """Return the sighting as it stands in a list of kernels."""
        shown = {"repository": self.repository, "package": self.package}
        if self.al2023_release is not None:
            shown["al2023_release"] = self.al2023_release
        return shown


@dataclass(frozen=True)
class DiscoveredKernel:
    """A kernel with its provenance.

    ``devel`` is ``present`` when one of the repositories holds the package with the headers, and
    ``headers`` then has its URL; ``missing`` when all were read, the core among them, and none
    does, so that nothing can be built for the kernel; else ``unknown``.
    """

    kernel: Kernel
    seen_in: tuple[Sighting, ...]
    devel: str
    headers: tuple[str, ...] = ()

    def to_crawler_entry(self) -> dict[str, Any]:
        """Return the kernel as kernel-crawler lists it: its keys in its order, then ours."""
        entry: dict[str, Any] = {
            "kernelversion": "1",
            "kernelrelease": self.kernel.release,
            "target": TARGET,
        }
        if self.headers:
            entry["headers"] = list(self.headers)
        return entry | {"kmodbot": self.provenance()}

    def provenance(self) -> dict[str, Any]:
        """Return what is known beyond the keys of kernel-crawler; what is unknown has no key."""
        shown: dict[str, Any] = {"seen_in": [sighting.as_json() for sighting in self.seen_in]}
        return shown if self.devel == UNKNOWN else shown | {"devel": self.devel}


def unite(found: Iterable[Found], whole: Collection[str]) -> tuple[DiscoveredKernel, ...]:
    """Return one entry per kernel, sorted by version, however many packages name it.

    ``whole`` are the architectures whose headers would be among ``found`` if there were any.
    """
    by_kernel: dict[Kernel, list[Found]] = defaultdict(list)
    for item in found:
        by_kernel[item.kernel].append(item)
    order = sorted(by_kernel, key=lambda kernel: version_key(kernel.release))
    return tuple(
        _united(kernel, by_kernel[kernel], MISSING if kernel.architecture in whole else UNKNOWN)
        for kernel in order
    )


def _united(kernel: Kernel, found: list[Found], otherwise: str) -> DiscoveredKernel:
    sightings = {Sighting(i.role.repository, i.package, i.al2023_release) for i in found}
    epochs = {item.epoch for item in found if item.role is Role.KERNEL}
    # Same version and release by the kernel release; the epoch is compared where it is known.
    headers = {i.url for i in found if i.role is Role.DEVEL and i.epoch in (epochs or {i.epoch})}
    return DiscoveredKernel(
        kernel=kernel,
        seen_in=tuple(sorted(sightings, key=_order)),
        devel=PRESENT if headers else otherwise,
        headers=tuple(sorted(headers)[:1]),
    )


def _order(sighting: Sighting) -> tuple[object, ...]:
    release = version_key(sighting.al2023_release or "")
    return sighting.repository, version_key(sighting.package), release
