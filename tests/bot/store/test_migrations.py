"""The schema, from an empty database and from one that holds rows of the first version."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from kmodbot.bot.build import Phase
from kmodbot.bot.store import migrating
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database, StoreError
from kmodbot.bot.store.deliveries import Deliveries, DeliveryState
from kmodbot.bot.store.tables import metadata
from tests.bot.store.conftest import NOW, target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection


# As the first version wrote them.
OLD_ROWS = (
    """INSERT INTO builds (id, reservation, driver, driver_version, distribution, distro_version,
    architecture, kernel_release, phase, created_at, claims, error, proposed)
    VALUES ('failed', NULL, 'hello', 'v0.1.0', 'debian', '12', 'x86_64', '6.1.0-38-amd64',
    'error', '2026-11-23 12:00:00.000000+00:00', 1, 'no headers', false),
    ('open', 'KEY', 'hello', 'v0.1.0', 'debian', '12', 'x86_64', '6.1.0-38-amd64',
    'queued', '2026-11-23 12:00:00.000000+00:00', 0, NULL, false)""",
    """INSERT INTO deliveries (guid, event, payload, state, received_at, attempts)
    VALUES ('received-1', 'workflow_run', CAST('{}' AS BYTES), 'received',
    '2026-11-23 12:00:00.000000+00:00', 0),
    ('done-1', 'workflow_run', CAST('' AS BYTES), 'done',
    '2026-11-23 12:00:00.000000+00:00', 0),
    ('failed-1', 'workflow_run', CAST('{}' AS BYTES), 'failed',
    '2026-11-23 12:00:00.000000+00:00', 5)""",
)


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    database = Database(empty_url)
    yield database
    await database.close()


async def run(database: Database, statements: tuple[str, ...]) -> None:
    async with database.writing() as connection:
        for statement in statements:
            await connection.execute(text(statement))


def in_words_of(database: Database, statement: str) -> str:
    statement = statement.replace("KEY", target().key)
    if database.is_shared:
        return statement.replace("BYTES", "BYTEA")
    # SQLite keeps moments as text, without a zone.
    return statement.replace("BYTES", "BLOB").replace("+00:00", "")


async def upgrade(database: Database, revision: str) -> None:
    async with database.writing() as connection:
        await connection.run_sync(migrating.upgrade, revision)


async def test_the_migrations_make_the_tables_that_the_code_declares(empty: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    await empty.migrate()

    async with empty.writing() as connection:
        assert await connection.run_sync(differences) == []


async def test_what_the_first_version_stored_goes_on(empty: Database) -> None:
    await upgrade(empty, "0001")
    await run(empty, tuple(in_words_of(empty, row) for row in OLD_ROWS))

    await empty.migrate()

    builds, deliveries = Builds(empty), Deliveries(empty)
    failed, waiting = await builds.get("failed"), await builds.of_target(target())
    assert failed is not None
    assert waiting is not None
    assert (failed.phase, failed.failed_at, failed.requested_by) == (Phase.ERROR, NOW, "")
    assert (waiting.phase, waiting.run_attempt, waiting.finished_at) == (Phase.QUEUED, 1, None)
    assert await deliveries.states(["received-1", "done-1", "failed-1"]) == {
        "received-1": DeliveryState.RECEIVED,
        "done-1": DeliveryState.DONE,
        "failed-1": DeliveryState.DEAD,
    }
    (taken,) = await deliveries.lease("me", NOW, NOW, 10)
    assert (taken.guid, taken.payload) == ("received-1", b"{}")


async def test_the_version_before_goes_on_beside_the_new_one(empty: Database) -> None:
    await empty.migrate()
    # Its statements name the columns that it knows.
    await run(empty, tuple(in_words_of(empty, row) for row in OLD_ROWS))

    builds, deliveries = Builds(empty), Deliveries(empty)
    assert (await builds.of_target(target())) is not None
    (dead,) = await deliveries.list(DeliveryState.DEAD, 10)
    assert dead.guid == "failed-1"
    now = datetime.now(UTC) + timedelta(seconds=1)
    (taken,) = await deliveries.lease("me", now, now, 10)
    assert taken.guid == "received-1"
    await deliveries.stumbled("received-1", "me", "boom", None)

    async with empty.reading() as connection:
        words = await connection.scalars(text("SELECT state FROM deliveries ORDER BY guid"))
        assert list(words) == ["done", "failed", "failed"]


async def test_every_migration_can_be_taken_back(empty: Database) -> None:
    def downgrade(connection: Connection) -> set[str]:
        command.downgrade(migrating.alembic_config(connection), "base")
        return set(inspect(connection).get_table_names())

    await empty.migrate()
    async with empty.writing() as connection:
        left = await connection.run_sync(downgrade)

    assert left == {"alembic_version"}


async def test_migrating_twice_keeps_what_is_stored(database: Database) -> None:
    await Builds(database).reserve("b1", target(), NOW)
    await database.migrate()

    assert await Builds(database).get("b1") is not None


async def test_processes_that_start_at_once_migrate_once(empty_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(*(sys.executable, "-c", MIGRATE, empty_url))
        for _ in range(4)
    ]

    assert [await process.wait() for process in processes] == [0] * 4


async def test_a_newer_schema_is_left_to_the_newer_version(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await run(database, ("UPDATE alembic_version SET version_num = '9999'",))

    await database.prepare()
    await database.migrate()

    assert "of a newer version" in caplog.text


async def test_postgresql_waits_for_the_operator_and_sqlite_does_not(
    empty: Database, store: str
) -> None:
    if store == "sqlite":
        await empty.prepare()
    else:
        with pytest.raises(StoreError, match="run kmodbot migrate"):
            await empty.prepare()
        await empty.migrate()
        await empty.prepare()

    assert await Builds(empty).in_flight() == 0


MIGRATE = """
import asyncio, sys
from kmodbot.bot.store.database import Database

async def main():
    database = Database(sys.argv[1])
    await database.migrate()
    await database.close()

asyncio.run(main())
"""
