from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from kmodbot.bot.build import Package, Phase, Target
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database, alembic_config
from kmodbot.bot.store.deliveries import Deliveries, Delivery
from kmodbot.bot.store.tables import metadata
from kmodbot.kernels import Driver, Kernel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PACKAGE = Package("hello.deb", "https://github.example/hello.deb", "0" * 64)


def target(release: str = "6.1.0-38-amd64", version: str = "v0.1.0") -> Target:
    kernel = Kernel.parse(
        distribution="debian", distro_version="12", architecture="x86_64", release=release
    )
    return Target(Driver.parse("hello", version), kernel)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/kmodbot.db")
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
def builds(database: Database) -> Builds:
    return Builds(database)


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


class TestReservation:
    async def test_one_of_many_concurrent_requests_gets_the_build(self, builds: Builds) -> None:
        answers = await asyncio.gather(
            *(builds.reserve(f"build{n}", target(), NOW) for n in range(50))
        )

        assert [created for _, created in answers].count(True) == 1
        assert len({build.id for build, _ in answers}) == 1

    async def test_one_of_several_processes_gets_the_build(self, tmp_path: Path) -> None:
        url = f"sqlite+aiosqlite:///{tmp_path}/shared.db"
        processes = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", RESERVE_TWENTY, url), stdout=subprocess.PIPE
            )
            for _ in range(4)
        ]
        outputs = [(await process.communicate())[0].decode() for process in processes]

        assert [process.returncode for process in processes] == [0] * 4
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
        failed = await builds.get("first")
        assert failed is not None
        assert failed.error == "no headers"

    async def test_a_finished_build_keeps_its_reservation(self, builds: Builds) -> None:
        await builds.reserve("first", target(), NOW)
        await builds.done("first", PACKAGE)
        build, created = await builds.reserve("second", target(), NOW)

        assert not created
        assert build.package == PACKAGE


class TestPhases:
    async def test_what_was_written_is_read_back(self, builds: Builds) -> None:
        reserved, _ = await builds.reserve("b1", target(), NOW)

        assert await builds.get("b1") == reserved
        assert await builds.of_target(target()) == reserved

    async def test_a_build_goes_from_queued_to_done(self, builds: Builds) -> None:
        await builds.reserve("b1", target(), NOW)
        await builds.dispatched("b1", 7, "https://github.example/runs/7")
        await builds.building("b1")
        await builds.done("b1", PACKAGE)
        build = await builds.of_run(7)

        assert build is not None
        assert (build.phase, build.package) == (Phase.DONE, PACKAGE)

    async def test_a_final_phase_is_final(self, builds: Builds) -> None:
        await builds.reserve("b1", target(), NOW)
        await builds.done("b1", PACKAGE)
        await builds.failed("b1", "late news")
        await builds.dispatched("b1", 7, "https://github.example/runs/7")
        build = await builds.get("b1")

        assert build is not None
        assert (build.phase, build.error, build.run_id) == (Phase.DONE, None, None)

    async def test_a_dispatch_is_claimed_by_one_and_again_when_stale(self, builds: Builds) -> None:
        build, _ = await builds.reserve("b1", target(), NOW)
        claims = await asyncio.gather(*(builds.claim(build, NOW) for _ in range(5)))

        assert sorted(claims) == [False] * 4 + [True]
        assert not await builds.queued(claimed_before=NOW)
        (stale,) = await builds.queued(claimed_before=NOW + timedelta(seconds=1))
        assert stale.claimed_at == NOW
        assert await builds.claim(stale, NOW + timedelta(minutes=2))

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


class TestDeliveries:
    delivery = Delivery("guid-1", "workflow_run", b"{}")

    async def test_a_delivery_waits_until_it_is_done(self, deliveries: Deliveries) -> None:
        assert await deliveries.receive(self.delivery, NOW)
        assert await deliveries.waiting() == [self.delivery]

        await deliveries.done("guid-1")
        assert await deliveries.waiting() == []

    async def test_a_doubled_delivery_is_stored_once(self, deliveries: Deliveries) -> None:
        news = await asyncio.gather(*(deliveries.receive(self.delivery, NOW) for _ in range(5)))

        assert sorted(news) == [False] * 4 + [True]
        assert len(await deliveries.waiting()) == 1

    async def test_a_redelivery_of_something_done_is_no_work(self, deliveries: Deliveries) -> None:
        await deliveries.receive(self.delivery, NOW)
        await deliveries.done("guid-1")

        assert not await deliveries.receive(self.delivery, NOW)
        assert await deliveries.waiting() == []

    async def test_a_redelivery_of_something_failed_is_tried_again(
        self, deliveries: Deliveries
    ) -> None:
        await deliveries.receive(self.delivery, NOW)
        await deliveries.stumbled(self.delivery, "boom", attempts_allowed=1)
        assert await deliveries.waiting() == []

        assert await deliveries.receive(self.delivery, NOW)
        assert await deliveries.waiting() == [self.delivery]

    async def test_a_delivery_is_tried_as_often_as_allowed(self, deliveries: Deliveries) -> None:
        await deliveries.receive(self.delivery, NOW)
        for attempt in range(3):
            (waiting,) = await deliveries.waiting()
            assert waiting.attempts == attempt
            await deliveries.stumbled(waiting, "boom", attempts_allowed=3)

        assert await deliveries.waiting() == []


class TestMigrations:
    def test_the_migrations_make_the_tables_that_the_code_declares(self, tmp_path: Path) -> None:
        engine = create_engine(f"sqlite:///{tmp_path}/migrated.db")
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")
            differences = compare_metadata(MigrationContext.configure(connection), metadata)
        engine.dispose()

        assert differences == []

    def test_every_migration_can_be_taken_back(self, tmp_path: Path) -> None:
        engine = create_engine(f"sqlite:///{tmp_path}/migrated.db")
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")
            command.downgrade(alembic_config(connection), "base")
            tables = connection.scalars(text("SELECT name FROM sqlite_master WHERE type='table'"))
            left = set(tables) - {"alembic_version"}
        engine.dispose()

        assert left == set()

    async def test_migrating_twice_keeps_what_is_stored(
        self, database: Database, builds: Builds
    ) -> None:
        await builds.reserve("b1", target(), NOW)
        await database.migrate()

        assert await builds.get("b1") is not None


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
