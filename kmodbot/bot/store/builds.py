"""Builds in the store. Each change is one transaction and may be repeated without harm."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from kmodbot.bot.build import Build, Package, Phase, Target
from kmodbot.bot.store.audit import new_row as new_audit_row
from kmodbot.bot.store.audit import subject_of
from kmodbot.bot.store.build_rows import TARGET_COLUMNS, is_of, new_row, package_columns, read_build
from kmodbot.bot.store.database import upsert
from kmodbot.bot.store.tables import audit, builds
from kmodbot.bot.store.texts import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Update
    from sqlalchemy.ext.asyncio import AsyncConnection

    from kmodbot.bot.store.database import Database
    from kmodbot.kernels import Kernel

_RUNNING = (Phase.DISPATCHED, Phase.BUILDING)
_OPEN = (Phase.QUEUED, *_RUNNING)
_RUN_OF_ANOTHER = "its run belongs to another build; was the store used with another GitHub before?"
_BACK_TO_LIFE = {"error": None, "failed_at": None}
_GIVEN_UP = {"reservation": None}


class Builds:
    """All builds that were ever reserved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> datetime:
        """Return the time by the clock that all processes share."""
        return await self._database.now()

    async def reserve(
        self,
        build_id: str,
        target: Target,
        now: datetime,
        requested_by: str = "",
        *,
        action: str = "",
        vanished: Build | None = None,
    ) -> tuple[Build, bool]:
        """Reserve ``target``: return its build and whether this call made it.

        Of any number of concurrent calls for one target, in any number of processes, one gets True,
        and its ``action`` is in the audit trail (where it has one) as soon as the build is there.
        The package of a ``vanished`` build no longer exists, so its reservation is given up first.
        """
        build = Build(build_id, target, Phase.QUEUED, now, requested_by=requested_by)
        existing = await self._insert(build, vanished, _trail(build, action, "started"))
        return existing or build, existing is None

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
        another GitHub before: the older build loses it, and ends if it has not ended yet.
        """
        async with self._database.writing() as connection:
            others = update(builds).where(builds.c.run_id == run_id, builds.c.id != build_id)
            ended = {"phase": Phase.ERROR, "reservation": None, "finished_at": _moment(None)}
            under_way = others.where(builds.c.phase.in_(_OPEN))
            await connection.execute(under_way.values(run_id=None, error=_RUN_OF_ANOTHER, **ended))
            await connection.execute(others.values(run_id=None))
            mine = update(builds).where(builds.c.id == build_id, builds.c.phase == Phase.QUEUED)
            values = {"phase": Phase.DISPATCHED, "run_id": run_id, "run_url": run_url}
            await connection.execute(mine.values(**values))

    async def building(self, build_id: str) -> None:
        """Record that the run has started."""
        await self._change(build_id, (Phase.DISPATCHED,), phase=Phase.BUILDING)

    async def done(self, build_id: str, package: Package, now: datetime | None = None) -> None:
        """Record the published package."""
        values = package_columns(package) | {"phase": Phase.DONE, "finished_at": _moment(now)}
        await self._change(build_id, _OPEN, **values)

    async def replaced(self, build_id: str, package: Package) -> None:
        """Record that another package was published in place of the one of a finished build."""
        await self._change(build_id, (Phase.DONE,), **package_columns(package))

    async def failed(
        self, build_id: str, error: str, now: datetime | None = None, *, remembered: bool = True
    ) -> bool:
        """Record why the build failed, and free its target for another try.

        One that is not to be ``remembered`` is no ``recent_failure``. False when the build had
        ended already.
        """
        at = _moment(now)
        failed_at = at if remembered else None
        values: dict[str, Any] = {
            "phase": Phase.ERROR,
            "failed_at": failed_at,
            "finished_at": at,
        }
        values["error"] = storable(error)
        return await self._change(build_id, _OPEN, reservation=None, **values)

    async def revived(self, build: Build, package: Package, now: datetime | None = None) -> None:
        """Record that a failed build has its package after all, by a re-run of its run."""
        values = package_columns(package) | {"phase": Phase.DONE, "finished_at": _moment(now)}
        if not await self._bring_back(build, reservation=build.target.key, **values):
            await self._bring_back(build, **values)

    async def rerun(self, build: Build, attempt: int) -> bool:
        """Record that a failed build is being built again, by a re-run of its run.

        False when it has not failed, this attempt or a later one is known, or another build of the
        same target was started meanwhile.
        """
        is_news = builds.c.run_attempt < attempt
        values = {"phase": Phase.BUILDING, "run_attempt": attempt, "finished_at": None}
        return await self._bring_back(build, is_news, reservation=build.target.key, **values)

    async def found(self, build: Build, run_id: int, run_url: str, attempt: int) -> None:
        """Record the run of a build that failed before one was seen, and that it goes on.

        It stays failed where another build of the same target was started meanwhile.
        """
        run = {"run_id": run_id, "run_url": run_url, "run_attempt": attempt}
        values = {"phase": Phase.DISPATCHED, "finished_at": None, "reservation": build.target.key}
        runless = builds.c.run_id.is_(None)
        if not await self._bring_back(build, runless, **run, **values):
            await self._change(build.id, (Phase.ERROR,), runless, **run)

    async def adopt(self, build: Build, *, action: str = "") -> bool:
        """Record a package that exists without a build of ours, so that its kernel is proposed.

        False when another build holds the reservation; else ``action`` is in the audit trail.
        """
        return await self._insert(build, trail=_trail(build, action, "adopted")) is None

    async def take_in(
        self, build: Build, package: Package | None = None, now: datetime | None = None
    ) -> None:
        """Store the build of a run that we did not start, unless its target is reserved.

        With its ``package`` it has ended well, ``now``. Nothing changes when another process has
        taken the run in meanwhile, and its build may have failed by now.
        """
        if package is not None:
            build = replace(build, phase=Phase.DONE, package=package, finished_at=now)
        with suppress(IntegrityError):
            await self._insert(build)

    async def unclaim(self, build: Build) -> None:
        """Take back the claim that followed ``build``: nothing was dispatched."""
        unchanged = builds.c.claims == build.claims + 1
        values: dict[str, Any] = {"claims": build.claims}
        if build.claims:
            # When the last dispatch was that may have arrived.
            values["claimed_at"] = build.claimed_at
        await self._change(build.id, (Phase.QUEUED,), unchanged, **values)

    async def proposed(self, build_id: str) -> None:
        """Record that the kernel is listed or a pull request adds it."""
        await self._change(build_id, (Phase.DONE,), proposed=True)

    async def forget_failed(self, before: datetime) -> None:
        """Drop the builds that failed before a moment."""
        ended = func.coalesce(builds.c.failed_at, builds.c.created_at)
        async with self._database.writing() as connection:
            old = delete(builds).where(builds.c.phase == Phase.ERROR, ended < before)
            await connection.execute(old)

    async def get(self, build_id: str) -> Build | None:
        """Return the build of this id."""
        return await self._find(builds.c.id == build_id)

    async def of_target(self, target: Target) -> Build | None:
        """Return the build that holds the reservation of ``target``."""
        return await self._find(builds.c.reservation == target.key)

    async def of_run(self, run_id: int) -> Build | None:
        """Return the build that this run carries out."""
        return await self._find(builds.c.run_id == run_id)

    async def recent_failure(self, target: Target, since: datetime) -> Build | None:
        """Return the build of ``target`` that failed last, if that was after ``since``."""
        failed = (builds.c.phase == Phase.ERROR, builds.c.failed_at >= since)
        newest = select(builds).where(is_of(target), *failed).order_by(builds.c.failed_at.desc())
        async with self._database.reading() as connection:
            row = (await connection.execute(newest.limit(1))).one_or_none()
        return None if row is None else read_build(row)

    async def in_flight(self) -> int:
        """Count the builds that have not ended."""
        count = select(func.count()).select_from(builds).where(builds.c.phase.in_(_OPEN))
        async with self._database.reading() as connection:
            return (await connection.scalar(count)) or 0

    async def queued(
        self, claimed_before: datetime, dispatched_before: datetime | None = None
    ) -> Sequence[Build]:
        """Return queued builds that nobody has claimed since ``claimed_before``.

        Those with a dispatch that may have arrived are left out until none has been made since
        ``dispatched_before``.
        """
        moment = builds.c.claimed_at
        conditions = [or_(moment.is_(None), moment < claimed_before)]
        if dispatched_before is not None:
            conditions.append(or_(builds.c.claims == 0, moment < dispatched_before))
        return await self._list(builds.c.phase == Phase.QUEUED, *conditions)

    async def running(self, created_before: datetime | None = None) -> Sequence[Build]:
        """Return builds whose run is known and has not been seen to end, the oldest first."""
        running = builds.c.phase.in_(_RUNNING)
        old = () if created_before is None else (builds.c.created_at < created_before,)
        return await self._list(running, *old)

    async def rerunnable(self, ended_since: datetime | None) -> Sequence[Build]:
        """Return failed builds that a re-run of their run would bring back, the oldest first.

        Those are left out whose target another build has taken, and those that ended before
        ``ended_since``.
        """
        other = builds.alias()
        same = (other.c[name] == builds.c[name] for name in TARGET_COLUMNS)
        is_taken = exists().where(*same, other.c.reservation.is_not(None))
        conditions = [builds.c.phase == Phase.ERROR, builds.c.run_id.is_not(None), ~is_taken]
        if ended_since is not None:
            ended = func.coalesce(builds.c.finished_at, builds.c.failed_at, builds.c.created_at)
            conditions.append(ended >= ended_since)
        return await self._list(*conditions)

    async def unproposed(self, now: datetime | None = None) -> Sequence[Build]:
        """Return finished builds whose kernel has not been proposed yet, the oldest first.

        Where ``now`` is given only those that are due then: the longest due first, after those that
        were never tried.
        """
        waiting = (builds.c.phase == Phase.DONE, builds.c.proposed.is_(False))
        if now is None:
            return await self._list(*waiting)
        due_at = func.coalesce(builds.c.next_proposal_at, builds.c.created_at)
        is_due = or_(builds.c.next_proposal_at.is_(None), builds.c.next_proposal_at <= now)
        return await self._list(*waiting, is_due, order=(builds.c.proposal_attempts > 0, due_at))

    async def proposal_refused(self, build_id: str, next_try: datetime) -> None:
        """Record that proposing the kernel of a build failed, and when that is tried again."""
        attempts = builds.c.proposal_attempts + 1
        values = {"proposal_attempts": attempts, "next_proposal_at": next_try}
        await self._change(build_id, (Phase.DONE,), **values)

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

    async def _insert(
        self, build: Build, vanished: Build | None = None, trail: dict[str, Any] | None = None
    ) -> Build | None:
        """Store a build that reserves its target; return the build that holds it already.

        ``trail`` is its row in the audit trail: whoever finds the one finds the other.
        """
        while True:
            async with self._database.writing() as connection:
                if vanished is not None:
                    await connection.execute(_of_phase(vanished.id, Phase.DONE).values(_GIVEN_UP))
                statement = upsert(connection.dialect.name, builds).values(**new_row(build))
                unless_reserved = statement.on_conflict_do_nothing(index_elements=["reservation"])
                if (await connection.execute(unless_reserved)).rowcount == 1:
                    if trail is not None:
                        await connection.execute(insert(audit).values(trail))
                    return None
                holder = await _one(connection, builds.c.reservation == build.target.key)
            # A holder that gave up between the two statements leaves the target free.
            if holder is not None:
                return holder

    async def _bring_back(
        self, build: Build, *conditions: ColumnElement[bool], **values: Any
    ) -> bool:
        """Change a failed build that may get its reservation back; False when that is taken."""
        values |= _BACK_TO_LIFE
        try:
            return await self._change(build.id, (Phase.ERROR,), *conditions, **values)
        except IntegrityError:
            return False

    async def _change(
        self,
        build_id: str,
        phases: tuple[Phase, ...],
        *conditions: ColumnElement[bool],
        **values: Any,
    ) -> bool:
        statement = _of_phase(build_id, *phases).where(*conditions).values(**values)
        async with self._database.writing() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def _find(self, condition: ColumnElement[bool]) -> Build | None:
        async with self._database.reading() as connection:
            return await _one(connection, condition)

    async def _list(
        self, *conditions: ColumnElement[bool], order: tuple[ColumnElement[Any], ...] = ()
    ) -> Sequence[Build]:
        statement = select(builds).where(*conditions)
        statement = statement.order_by(*order, builds.c.created_at, builds.c.id)
        async with self._database.reading() as connection:
            return [read_build(row) for row in await connection.execute(statement)]


async def _one(connection: AsyncConnection, condition: ColumnElement[bool]) -> Build | None:
    row = (await connection.execute(select(builds).where(condition))).one_or_none()
    return None if row is None else read_build(row)


def _of_phase(build_id: str, *phases: Phase) -> Update:
    return update(builds).where(builds.c.id == build_id, builds.c.phase.in_(phases))


def _trail(build: Build, action: str, outcome: str) -> dict[str, Any] | None:
    if not action:
        return None
    subject, detail = subject_of(build.target), f"build {build.id}"
    return new_audit_row(build.requested_by, action, subject, outcome, detail)


def _moment(now: datetime | None) -> datetime:
    return now or datetime.now(UTC)
