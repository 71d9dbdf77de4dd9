"""Builds in the store. Each change is one transaction and may be repeated without harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select, update

from kmodbot.bot.build import Build, Package, Phase, Target
from kmodbot.bot.store.tables import builds
from kmodbot.kernels import Driver, Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from kmodbot.bot.store.database import Database

_RUNNING = (Phase.DISPATCHED, Phase.BUILDING)
_OPEN = (Phase.QUEUED, *_RUNNING)


class Builds:
    """All builds that were ever reserved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, build_id: str, target: Target, now: datetime) -> tuple[Build, bool]:
        """Reserve ``target``: return its build and whether this call made it.

        Of any number of concurrent calls for one target, in any number of processes, one gets True.
        """
        build = Build(build_id, target, Phase.QUEUED, now)
        existing = await self._insert(build)
        return existing or build, existing is None

    async def release(self, build: Build) -> None:
        """Give up the reservation of a build whose package no longer exists."""
        await self._change(build.id, (Phase.DONE,), reservation=None)

    async def claim(self, build: Build, now: datetime) -> bool:
        """Take the dispatch of a queued build upon this process.

        False when another process has claimed it since ``build`` was read.
        """
        unchanged = (
            builds.c.claimed_at.is_(None)
            if build.claimed_at is None
            else builds.c.claimed_at == build.claimed_at
        )
        return await self._change(
            build.id, (Phase.QUEUED,), unchanged, claimed_at=now, claims=builds.c.claims + 1
        )

    async def dispatched(self, build_id: str, run_id: int, run_url: str) -> None:
        """Record the run that carries the build out.

        GitHub never gives a run id twice. Where one is known already, the store was used with
        another GitHub before, and the older build loses it.
        """
        async with self._database.writing() as connection:
            others = update(builds).where(builds.c.run_id == run_id, builds.c.id != build_id)
            await connection.execute(others.values(run_id=None))
            mine = update(builds).where(builds.c.id == build_id, builds.c.phase == Phase.QUEUED)
            values = {"phase": Phase.DISPATCHED, "run_id": run_id, "run_url": run_url}
            await connection.execute(mine.values(**values))

    async def building(self, build_id: str) -> None:
        """Record that the run has started."""
        await self._change(build_id, (Phase.DISPATCHED,), phase=Phase.BUILDING)

    async def done(self, build_id: str, package: Package) -> None:
        """Record the published package."""
        await self._change(build_id, _OPEN, phase=Phase.DONE, **_package_columns(package))

    async def failed(self, build_id: str, error: str) -> bool:
        """Record why the build failed, and free its target for another try.

        False when the build had ended already.
        """
        return await self._change(build_id, _OPEN, phase=Phase.ERROR, error=error, reservation=None)

    async def revived(self, build: Build, package: Package) -> None:
        """Record that a failed build has its package after all, by a re-run of its run."""
        async with self._database.writing() as connection:
            taken = await _one(connection, builds.c.reservation == build.target.key)
            statement = update(builds).where(builds.c.id == build.id, builds.c.phase == Phase.ERROR)
            values = _package_columns(package) | {"phase": Phase.DONE, "error": None}
            if taken is None:
                values["reservation"] = build.target.key
            await connection.execute(statement.values(**values))

    async def adopt(self, build_id: str, target: Target, package: Package, now: datetime) -> None:
        """Record a package that exists without a build of ours, so that its kernel is proposed."""
        await self._insert(Build(build_id, target, Phase.DONE, now, package=package))

    async def proposed(self, build_id: str) -> None:
        """Record that the kernel is listed or a pull request adds it."""
        await self._change(build_id, (Phase.DONE,), proposed=True)

    async def get(self, build_id: str) -> Build | None:
        """Return the build of this id."""
        return await self._find(builds.c.id == build_id)

    async def of_target(self, target: Target) -> Build | None:
        """Return the build that holds the reservation of ``target``."""
        return await self._find(builds.c.reservation == target.key)

    async def of_run(self, run_id: int) -> Build | None:
        """Return the build that this run carries out."""
        return await self._find(builds.c.run_id == run_id)

    async def queued(self, claimed_before: datetime) -> Sequence[Build]:
        """Return queued builds that nobody has claimed since ``claimed_before``."""
        unclaimed = or_(builds.c.claimed_at.is_(None), builds.c.claimed_at < claimed_before)
        return await self._list(builds.c.phase == Phase.QUEUED, unclaimed)

    async def running(self) -> Sequence[Build]:
        """Return builds whose run is known and has not been seen to end."""
        return await self._list(builds.c.phase.in_(_RUNNING))

    async def unproposed(self) -> Sequence[Build]:
        """Return finished builds whose kernel has not been proposed yet."""
        return await self._list(builds.c.phase == Phase.DONE, builds.c.proposed.is_(False))

    async def kernels(self) -> set[Kernel]:
        """Return every kernel that a package was built for."""
        return {build.target.kernel for build in await self._list(builds.c.phase == Phase.DONE)}

    async def driver_versions(self) -> set[str]:
        """Return every driver version that was asked for."""
        async with self._database.reading() as connection:
            return set(await connection.scalars(select(builds.c.driver_version).distinct()))

    async def kernels_like(self, kernel: Kernel) -> list[Kernel]:
        """Return the kernels with packages that share all but the distro version with ``kernel``.

        They share one branch, and so one pull request.
        """
        similar = await self._list(
            builds.c.phase == Phase.DONE,
            builds.c.distribution == kernel.distribution,
            builds.c.architecture == kernel.architecture,
            builds.c.kernel_release == kernel.release,
        )
        return sorted({build.target.kernel for build in similar})

    async def _insert(self, build: Build) -> Build | None:
        """Store a build that reserves its target; return the build that holds it already."""
        async with self._database.writing() as connection:
            holder = await _one(connection, builds.c.reservation == build.target.key)
            if holder is None:
                await connection.execute(insert(builds).values(**_new_row(build)))
        return holder

    async def _change(
        self,
        build_id: str,
        phases: tuple[Phase, ...],
        *conditions: ColumnElement[bool],
        **values: Any,
    ) -> bool:
        statement = (
            update(builds)
            .where(builds.c.id == build_id, builds.c.phase.in_(phases), *conditions)
            .values(**values)
        )
        async with self._database.writing() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def _find(self, condition: ColumnElement[bool]) -> Build | None:
        async with self._database.reading() as connection:
            return await _one(connection, condition)

    async def _list(self, *conditions: ColumnElement[bool]) -> Sequence[Build]:
        statement = select(builds).where(*conditions).order_by(builds.c.created_at, builds.c.id)
        async with self._database.reading() as connection:
            return [_build(row) for row in await connection.execute(statement)]


async def _one(connection: AsyncConnection, condition: ColumnElement[bool]) -> Build | None:
    row = (await connection.execute(select(builds).where(condition))).one_or_none()
    return None if row is None else _build(row)


def _new_row(build: Build) -> dict[str, Any]:
    driver, kernel = build.target.driver, build.target.kernel
    return {
        "id": build.id,
        "reservation": build.target.key,
        "driver": driver.name,
        "driver_version": driver.version,
        "distribution": kernel.distribution,
        "distro_version": kernel.distro_version,
        "architecture": kernel.architecture,
        "kernel_release": kernel.release,
        "phase": build.phase,
        "created_at": build.created_at,
        **(_package_columns(build.package) if build.package else {}),
    }


def _package_columns(package: Package) -> dict[str, Any]:
    return {"package": package.name, "url": package.url, "sha256": package.sha256}


def _build(row: Row[Any]) -> Build:
    # Rows were validated on their way in; a later, stricter grammar must not make them unreadable.
    kernel = Kernel(row.distribution, row.distro_version, row.architecture, row.kernel_release)
    package = Package(row.package, row.url, row.sha256) if row.package else None
    return Build(
        id=row.id,
        target=Target(Driver(row.driver, row.driver_version), kernel),
        phase=Phase(row.phase),
        created_at=row.created_at,
        claimed_at=row.claimed_at,
        claims=row.claims,
        run_id=row.run_id,
        run_url=row.run_url,
        package=package,
        error=row.error,
        proposed=row.proposed,
    )
