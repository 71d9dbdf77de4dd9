"""A build: one kernel and one driver version, from the request to the package."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from kmodbot.kernels import Driver, Kernel, package_name, release_tag

if TYPE_CHECKING:
    from datetime import datetime


class Phase(StrEnum):
    """Where a build stands. ``done`` and ``error`` are final."""

    QUEUED = "queued"
    DISPATCHED = "dispatched"
    BUILDING = "building"
    DONE = "done"
    ERROR = "error"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self in {Phase.DONE, Phase.ERROR}

    @property
    def status(self) -> str:
        """The coarse state that the API reports: ``in_progress``, ``done`` or ``error``."""
        return self.value if self.is_final else "in_progress"


def kernel_fields(kernel: Kernel) -> dict[str, str]:
    """Return a kernel under the names it has in the API and in the workflow's inputs."""
    return {
        "kernel_version": kernel.release,
        "architecture": kernel.architecture,
        "distribution": kernel.distribution,
        "distro_version": kernel.distro_version,
    }


@dataclass(frozen=True)
class Target:
    """What is to be built: the unit that is reserved, so that it is built once."""

    driver: Driver
    kernel: Kernel

    @property
    def package(self) -> str:
        """The name of the package that the build publishes."""
        return package_name(self.driver, self.kernel)

    @property
    def tag(self) -> str:
        """The release that holds the package."""
        return release_tag(self.driver.version, self.kernel)

    @property
    def key(self) -> str:
        """A string that two targets share only if they are the same, 64 characters long."""
        kernel = self.kernel
        parts = (
            *(self.driver.name, self.driver.version),
            *(kernel.distribution, kernel.distro_version, kernel.architecture, kernel.release),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Package:
    """A package that a release holds, ready for download. ``sha256`` is in hexadecimal.

    ``asset_id`` is GitHub's number of the asset where the release was just read; it is not stored.
    """

    name: str
    url: str
    sha256: str
    asset_id: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Build:
    """What the store remembers of one build.

    ``claims`` counts the dispatches that may have reached GitHub, ``claimed_at`` is when a process
    last set out to dispatch it. ``proposal_attempts`` counts how often proposing its kernel was
    refused. ``run_attempt`` is GitHub's number of the run's attempt, which a re-run raises.
    ``requested_by`` names who asked first; empty when that is not known. ``finished_at`` is when
    the build ended, ``failed_at`` when it ended in an error that still stands.
    """

    id: str
    target: Target
    phase: Phase
    created_at: datetime
    claimed_at: datetime | None = None
    claims: int = 0
    run_id: int | None = None
    run_url: str | None = None
    package: Package | None = None
    error: str | None = None
    proposed: bool = False
    proposal_attempts: int = 0
    requested_by: str = ""
    run_attempt: int = 1
    finished_at: datetime | None = None
    failed_at: datetime | None = None
