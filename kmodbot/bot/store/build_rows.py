"""Builds as rows of their table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_

from kmodbot.bot.build import Build, Package, Phase, Target
from kmodbot.bot.store.tables import builds
from kmodbot.kernels import Driver, Kernel

if TYPE_CHECKING:
    from sqlalchemy import Row

TARGET_COLUMNS = (
    *("driver", "driver_version"),
    *("distribution", "distro_version", "architecture", "kernel_release"),
)


def target_columns(target: Target) -> dict[str, str]:
    """Return the columns that say what is built."""
    driver, kernel = target.driver, target.kernel
    values = (
        *(driver.name, driver.version),
        *(kernel.distribution, kernel.distro_version, kernel.architecture, kernel.release),
    )
    return dict(zip(TARGET_COLUMNS, values, strict=True))


def package_columns(package: Package) -> dict[str, str]:
    """Return the columns that say what was published."""
    return {"package": package.name, "url": package.url, "sha256": package.sha256}


def new_row(build: Build) -> dict[str, Any]:
    """Return the row of a build that reserves its target."""
    return {
        "id": build.id,
        "reservation": build.target.key,
        **target_columns(build.target),
        "phase": build.phase,
        "created_at": build.created_at,
        "finished_at": build.finished_at,
        "requested_by": build.requested_by,
        "claimed_at": build.claimed_at,
        "claims": build.claims,
        "run_id": build.run_id,
        "run_url": build.run_url,
        "run_attempt": build.run_attempt,
        **(package_columns(build.package) if build.package else {}),
    }


def is_of(target: Target) -> ColumnElement[bool]:
    """Match the builds of a target, whether they hold its reservation or not."""
    return and_(*(builds.c[name] == value for name, value in target_columns(target).items()))


def read_build(row: Row[Any]) -> Build:
    """Return the build that a row holds."""
    # Rows were validated on their way in; a later, stricter grammar must not make them unreadable.
    kernel = Kernel(row.distribution, row.distro_version, row.architecture, row.kernel_release)
    return Build(
        id=row.id,
        target=Target(Driver(row.driver, row.driver_version), kernel),
        phase=Phase(row.phase),
        created_at=row.created_at,
        claimed_at=row.claimed_at,
        claims=row.claims,
        run_id=row.run_id,
        run_url=row.run_url,
        package=Package(row.package, row.url, row.sha256) if row.package else None,
        error=row.error,
        proposed=row.proposed,
        proposal_attempts=row.proposal_attempts,
        requested_by=row.requested_by,
        run_attempt=row.run_attempt,
        finished_at=row.finished_at,
        failed_at=row.failed_at,
    )
