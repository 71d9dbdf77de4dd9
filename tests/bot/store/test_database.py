"""What an operator sees of a database that cannot be used, and what survives its restart."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database, StoreError
from tests.bot.postgresql import PASSWORD
from tests.bot.store.conftest import NOW, target

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.bot.postgresql import Server


class TestPostgreSQL:
    @pytest.fixture(params=["postgresql"])
    def store(self) -> str:
        return "postgresql"

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda url: re.sub(r":[0-9]+/", ":1/", url), "refused|Connect call failed"),
            (lambda url: url.replace(PASSWORD, "wrong-word"), "password authentication failed"),
            (lambda url: url.rpartition("/")[0] + "/absent", '"absent" does not exist'),
            (lambda url: url + "?sslmode=require", "SSL"),
        ],
        ids=["port", "password", "database", "tls"],
    )
    async def test_a_database_that_cannot_be_used_is_named_without_its_password(
        self, database_url: str, change: object, says: str
    ) -> None:
        assert callable(change)
        database = Database(change(database_url))

        with pytest.raises(StoreError, match=says) as caught:
            await database.prepare()
        await database.close()

        for words in (str(caught.value), repr(caught.value), repr(database)):
            assert PASSWORD not in words
            assert "wrong-word" not in words
        assert "127.0.0.1" in str(caught.value)

    async def test_it_goes_on_when_the_server_was_restarted(
        self, database: Database, postgresql: Server
    ) -> None:
        await Builds(database).reserve("b1", target(), NOW)
        postgresql.stop()
        postgresql.start()

        assert await Builds(database).get("b1") is not None

    async def test_closing_does_not_wait_for_a_server_that_stands_still(
        self, database_url: str, postgresql: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        database = Database(database_url)
        # Some connections are idle then, and one is waited for.
        await asyncio.gather(*(Builds(database).get("absent") for _ in range(5)))
        with postgresql.frozen():
            asked = asyncio.create_task(Builds(database).get("absent"))
            await asyncio.sleep(0)
            async with asyncio.timeout(30):
                await database.close()
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

        assert "does not answer; its connections are given up" in caplog.text
        assert PASSWORD not in caplog.text

    async def test_many_more_requests_than_connections_are_served(self, database: Database) -> None:
        builds = Builds(database)
        answers = await asyncio.gather(*(builds.get("absent") for _ in range(200)))

        assert answers == [None] * 200


class TestSQLite:
    @pytest.fixture(params=["sqlite"])
    def store(self) -> str:
        return "sqlite"

    async def test_an_answered_write_survives_a_power_cut(self, database: Database) -> None:
        async with database.writing() as connection:
            pragmas = [
                await connection.scalar(text(f"PRAGMA {name}"))
                for name in ("journal_mode", "synchronous", "busy_timeout")
            ]

        full = 2
        assert pragmas == ["wal", full, 30000]

    async def test_a_file_that_is_no_database_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "novel.db").write_text("It was a dark and stormy night. " * 100)
        database = Database(f"sqlite:///{tmp_path}/novel.db")

        with pytest.raises(StoreError, match=r"novel\.db cannot be used: file is not a database"):
            await database.prepare()
        await database.close()

    async def test_a_full_disk_fails_a_write_and_not_those_after_it(
        self, database: Database
    ) -> None:
        await database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1"))

        with pytest.raises(OperationalError, match="full"):
            await database.write(self._store_much)
        await database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 100000"))

        await database.write(self._store_much)

    async def test_a_lock_that_lasts_too_long_fails_a_write_and_not_those_after_it(
        self, database: Database, other_database: Database
    ) -> None:
        await database.write(lambda c: c.exec_driver_sql("PRAGMA busy_timeout = 0"))

        async with other_database.writing():
            with pytest.raises(OperationalError, match="locked"):
                await database.write(self._store_much)

        await database.write(self._store_much)

    @staticmethod
    def _store_much(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE much AS SELECT zeroblob(1000000)")
