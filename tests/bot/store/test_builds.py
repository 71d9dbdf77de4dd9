from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kmodbot.bot.build import Build, Phase, Target
from kmodbot.kernels import Driver, Kernel
from tests.bot.store.conftest import NOW, PACKAGE, target

if TYPE_CHECKING:
    from kmodbot.bot.store.audit import Audit
    from kmodbot.bot.store.builds import Builds
    from kmodbot.bot.store.database import Database

HOUR = timedelta(hours=1)


async def found(builds: Builds, build_id: str) -> Build:
    build = await builds.get(build_id)
    assert build is not None
    return build


class TestReservation:
    async def test_one_of_many_concurrent_requests_gets_the_build(self, builds: Builds) -> None:
        answers = await asyncio.gather(
            *(builds.reserve(f"build{n}", target(), NOW) for n in range(50))
        )

        assert [created for _, created in answers].count(True) == 1
        assert len({build.id for build, _ in answers}) == 1

    async def test_one_of_several_processes_gets_the_build(self, database: Database) -> None:
        processes = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", RESERVE_TWENTY, database.url), stdout=subprocess.PIPE
            )
            for _ in range(3)
        ]
        outputs = [(await process.communicate())[0].decode() for process in processes]

        assert [process.returncode for process in processes] == [0] * 3
        assert sum(output.count("created") for output in outputs) == 20

    async def test_another_driver_version_is_another_build(self, builds: Builds) -> None:
        await builds.reserve("first", target(version="v0.1.0"), NOW)
        _, created = await builds.reserve("second", target(version="v0.2.0"), NOW)

        assert created

    async def test_a_failed_build_can_be_tried_again(self, builds: Builds) -> None:
        await builds.reserve("first", target(), NOW)
        await builds.failed("first", "no headers")
        build, created = await builds.reserve("second", target(), NOW)

        assert created
        assert build.id == "second"
        assert (await found(builds, "first")).error == "no headers"

    async def test_an_error_of_any_text_is_kept(self, builds: Builds) -> None:
        await builds.reserve("b1", target(), NOW)
        await builds.failed("b1", "no\0 head\udcffers" + "!" * 9999)

        error = (await found(builds, "b1")).error
        assert error is not None
        assert error.startswith("no head?ers!")

    async def test_a_finished_build_keeps_its_reservation(self, builds: Builds) -> None:
        await builds.reserve("first", target(), NOW)
        await builds.done("first", PACKAGE)
        build, created = await builds.reserve("second", target(), NOW)

        assert not created
        assert build.package == PACKAGE

    async def test_a_build_whose_package_vanished_makes_room(self, builds: Builds) -> None:
        build, _ = await builds.reserve("first", target(), NOW)
        await builds.done("first", PACKAGE)
        again, created = await builds.reserve("second", target(), NOW, vanished=build)

        assert created
        assert await builds.of_target(target()) == again
        # Who saw the same package vanish, but came later, finds the build that takes its place.
        assert await builds.reserve("third", target(), NOW, vanished=build) == (again, False)

    async def test_a_build_and_its_audit_row_come_to_be_together(
        self, builds: Builds, audit: Audit
    ) -> None:
        answers = await asyncio.gather(
            *(builds.reserve(f"b{n}", target(), NOW, f"c{n}", action="ask") for n in range(5))
        )

        (made,) = [build for build, created in answers if created]
        (row,) = await audit.last(9)
        assert (row.caller, row.action, row.outcome) == (made.requested_by, "ask", "started")
        assert row.detail == f"build {made.id}"

    async def test_without_its_audit_row_there_is_no_build(
        self, builds: Builds, database: Database
    ) -> None:
        async with database.writing() as connection:
            await connection.execute(text("DROP TABLE audit"))

        with pytest.raises(DBAPIError):
            await builds.reserve("b1", target(), NOW, "token-1", action="build.request")

        assert await builds.get("b1") is None


class TestPhases:
    async def test_what_was_written_is_read_back(self, builds: Builds) -> None:
        reserved, _ = await builds.reserve("b1", target(), NOW, "token-1")

        assert reserved.requested_by == "token-1"
        assert await builds.get("b1") == reserved
        assert await builds.of_target(target()) == reserved

    async def test_a_build_goes_from_queued_to_done(self, builds: Builds) -> None:
        await builds.reserve("b1", target(), NOW)
        await builds.dispatched("b1", 7, "https://github.example/runs/7")
        await builds.building("b1")
        assert await builds.in_flight() == 1
        await builds.done("b1", PACKAGE, NOW + HOUR)
        build = await builds.of_run(7)

        assert build is not None
        assert (build.phase, build.package) == (Phase.DONE, PACKAGE)
        assert (build.finished_at, build.failed_at) == (NOW + HOUR, None)
        assert await builds.in_flight() == 0

    async def test_a_final_phase_is_final(self, builds: Builds) -> None:
        await builds.reserve("b1", target(), NOW)
        await builds.done("b1", PACKAGE)
        await builds.failed("b1", "late news")
        await builds.dispatched("b1", 7, "https://github.example/runs/7")
        build = await found(builds, "b1")

        assert (build.phase, build.error, build.run_id) == (Phase.DONE, None, None)

    async def test_a_dispatch_is_claimed_by_one_and_again_when_stale(self, builds: Builds) -> None:
        build, _ = await builds.reserve("b1", target(), NOW)
        claims = await asyncio.gather(*(builds.claim(build, NOW) for _ in range(5)))

        assert sorted(claims) == [False] * 4 + [True]
        assert not await builds.queued(claimed_before=NOW)
        (stale,) = await builds.queued(claimed_before=NOW + timedelta(seconds=1))
        assert stale.claimed_at == NOW
        assert await builds.claim(stale, NOW + timedelta(minutes=2))

    async def test_a_run_carries_one_build_out(self, builds: Builds) -> None:
        await builds.reserve("of-another-github", target(), NOW)
        await builds.reserve("mine", target(version="v0.2.0"), NOW)
        await builds.dispatched("of-another-github", 7, "https://one.example/runs/7")
        await builds.dispatched("mine", 7, "https://two.example/runs/7")

        loser = await found(builds, "of-another-github")
        assert (loser.run_id, loser.phase) == (None, Phase.ERROR)
        assert "belongs to another build" in (loser.error or "")
        assert (await builds.reserve("again", loser.target, NOW))[1]
        assert (await found(builds, "mine")).run_id == 7

    async def test_a_build_that_has_ended_well_only_loses_its_run(self, builds: Builds) -> None:
        await builds.reserve("old", target(), NOW)
        await builds.reserve("mine", target(version="v0.2.0"), NOW)
        await builds.dispatched("old", 7, "https://one.example/runs/7")
        await builds.done("old", PACKAGE)
        await builds.dispatched("mine", 7, "https://two.example/runs/7")

        old = await found(builds, "old")
        assert (old.run_id, old.phase, old.error) == (None, Phase.DONE, None)

    async def test_a_dispatch_that_may_have_arrived_is_left_alone_for_longer(
        self, builds: Builds
    ) -> None:
        build, _ = await builds.reserve("b1", target(), NOW)
        await builds.claim(build, NOW)
        later = NOW + HOUR

        assert not await builds.queued(claimed_before=later, dispatched_before=NOW)
        assert await builds.queued(claimed_before=later, dispatched_before=later)
        await builds.unclaim(build)
        assert await builds.queued(claimed_before=later, dispatched_before=NOW)

    async def test_kernels_that_share_a_branch_are_found_together(self, builds: Builds) -> None:
        ubuntu = [
            Target(
                Driver.parse("hello", "v0.1.0"),
                Kernel.parse(
                    distribution="ubuntu",
                    distro_version=version,
                    architecture="x86_64",
                    release="6.8.0-79-generic",
                ),
            )
            for version in ("24.04", "22.04")
        ]
        for number, each in enumerate([*ubuntu, target()]):
            await builds.reserve(f"b{number}", each, NOW)
            await builds.done(f"b{number}", PACKAGE)

        like = await builds.kernels_like(ubuntu[0].kernel)
        assert [kernel.distro_version for kernel in like] == ["22.04", "24.04"]


class TestFailures:
    async def test_the_newest_recent_failure_of_a_target_is_remembered(
        self, builds: Builds
    ) -> None:
        for number, at in enumerate([NOW, NOW + HOUR]):
            await builds.reserve(f"b{number}", target(), NOW)
            await builds.failed(f"b{number}", "boom", at)

        newest = await builds.recent_failure(target(), since=NOW)
        assert newest is not None
        assert (newest.id, newest.failed_at, newest.finished_at) == ("b1", NOW + HOUR, NOW + HOUR)
        assert await builds.recent_failure(target(), since=NOW + 2 * HOUR) is None
        assert await builds.recent_failure(target(version="v0.2.0"), since=NOW) is None

    async def test_a_rerun_brings_a_failed_build_back(self, builds: Builds) -> None:
        build, _ = await builds.reserve("b1", target(), NOW)
        await builds.failed("b1", "boom", NOW)

        assert not await builds.rerun(build, attempt=1)
        assert await builds.rerun(build, attempt=2)
        assert not await builds.rerun(build, attempt=2)
        again = await found(builds, "b1")
        assert (again.phase, again.run_attempt, again.error) == (Phase.BUILDING, 2, None)
        assert (again.failed_at, again.finished_at) == (None, None)
        assert await builds.of_target(target()) == again

    async def test_a_rerun_leaves_the_target_to_a_newer_build(self, builds: Builds) -> None:
        build, _ = await builds.reserve("old", target(), NOW)
        await builds.failed("old", "boom")
        await builds.reserve("new", target(), NOW)

        assert not await builds.rerun(build, attempt=2)
        assert (await found(builds, "old")).phase is Phase.ERROR

    async def test_a_package_revives_a_build_with_and_without_its_target(
        self, builds: Builds
    ) -> None:
        first, _ = await builds.reserve("first", target(), NOW)
        await builds.failed("first", "boom")
        second, _ = await builds.reserve("second", target(), NOW)
        await builds.failed("second", "boom")

        await builds.revived(first, PACKAGE, NOW)
        await builds.revived(second, PACKAGE, NOW)

        for build_id in ("first", "second"):
            build = await found(builds, build_id)
            assert (build.phase, build.package, build.error) == (Phase.DONE, PACKAGE, None)
        assert await builds.of_target(target()) == await builds.get("first")

    async def test_old_failures_are_forgotten_and_packages_are_not(self, builds: Builds) -> None:
        await builds.reserve("failed", target(), NOW)
        await builds.failed("failed", "boom", NOW)
        await builds.reserve("done", target(), NOW)
        await builds.done("done", PACKAGE, NOW)

        await builds.forget_failed(NOW)
        assert await builds.get("failed") is not None
        await builds.forget_failed(NOW + HOUR)
        assert await builds.get("failed") is None
        assert await builds.get("done") is not None


async def test_proposals_that_were_refused_come_after_the_others_when_they_are_due(
    builds: Builds,
) -> None:
    for number in range(3):
        await builds.reserve(f"b{number}", target(f"6.1.0-{number}-amd64"), NOW)
        await builds.done(f"b{number}", PACKAGE)
    await builds.proposal_refused("b0", NOW + HOUR)

    assert [build.id for build in await builds.unproposed(NOW)] == ["b1", "b2"]
    due = await builds.unproposed(NOW + HOUR)
    assert [(build.id, build.proposal_attempts) for build in due] == [
        ("b1", 0),
        ("b2", 0),
        ("b0", 1),
    ]


async def test_a_run_that_was_taken_in_and_failed_is_not_taken_in_again(builds: Builds) -> None:
    first = Build("first", target(), Phase.DISPATCHED, NOW, run_id=7)
    await builds.take_in(first)
    await builds.failed("first", "the run failed", NOW)

    await builds.take_in(replace(first, id="second"))

    assert await builds.get("second") is None
    of_run = await builds.of_run(7)
    assert of_run is not None
    assert of_run.id == "first"


RESERVE_TWENTY = """
import asyncio, sys, uuid
from datetime import UTC, datetime
from kmodbot.bot.build import Target
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database
from kmodbot.kernels import Driver, Kernel

async def main():
    database = Database(sys.argv[1])
    await database.migrate()
    for number in range(20):
        kernel = Kernel.parse(distribution="debian", distro_version="12", architecture="x86_64",
                              release=f"6.1.0-{number + 1}-amd64")
        target = Target(Driver.parse("hello", "v0.1.0"), kernel)
        _, created = await Builds(database).reserve(uuid.uuid4().hex, target, datetime.now(UTC))
        if created:
            print("created")
    await database.close()

asyncio.run(main())
"""


async def test_a_rerun_may_bring_those_back_whose_place_no_other_build_has_taken(
    builds: Builds,
) -> None:
    late = NOW + timedelta(days=1)
    for number, build_id in enumerate(("old", "replaced", "wanted")):
        await builds.reserve(build_id, target(f"6.1.0-{number}-amd64"), NOW)
        await builds.dispatched(build_id, number, "https://x.example")
        await builds.failed(build_id, "boom", NOW if build_id == "old" else late)
    await builds.reserve("without a run", target("6.1.0-7-amd64"), NOW)
    await builds.failed("without a run", "refused", late)
    await builds.adopt(Build("newer", target("6.1.0-1-amd64"), Phase.DONE, late, package=PACKAGE))

    assert [each.id for each in await builds.rerunnable(None)] == ["old", "wanted"]
    assert [each.id for each in await builds.rerunnable(late)] == ["wanted"]
