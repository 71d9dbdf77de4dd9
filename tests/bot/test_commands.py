"""The commands of an operator that work on the store, and how ``serve`` refuses a database."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from kmodbot.bot.commands import deliveries, migrate
from kmodbot.bot.store import migrating
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.deliveries import Deliveries, Delivery, DeliveryState
from tests.bot.conftest import on_both_stores
from tests.bot.postgresql import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.sandbox import Sandbox
    from tests.bot.postgresql import Server

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


def kmodbot_deliveries(*words: str) -> int:
    parser = argparse.ArgumentParser()
    deliveries.add_arguments(parser)
    return deliveries.run(parser.parse_args(words))


@pytest.fixture
def one_dead_of_two(database_url: str) -> None:
    async def store() -> None:
        database = Database(database_url)
        await database.prepare()
        rows = Deliveries(database)
        arrived = [Delivery(guid, "workflow_run", b"{}") for guid in ("guid-1", "guid-2")]
        await rows.receive_all(arrived, NOW)
        await rows.lease("me", NOW, NOW + timedelta(seconds=30), 10)
        await rows.stumbled("guid-1", "me", "KeyError: \x1b[31mboom\n", None)
        await database.close()

    asyncio.run(store())


def state_of(database_url: str, guid: str) -> DeliveryState:
    async def read() -> DeliveryState:
        database = Database(database_url)
        found = await Deliveries(database).states([guid])
        await database.close()
        return found[guid]

    return asyncio.run(read())


@on_both_stores
@pytest.mark.usefixtures("one_dead_of_two")
class TestDeliveries:
    def test_the_dead_are_listed_for_people(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert kmodbot_deliveries("list", "--state", "dead") == 0

        titles, row = capsys.readouterr().out.splitlines()
        assert titles.split()[:2] == ["guid", "event"]
        assert row.split()[:4] == ["guid-1", "workflow_run", "dead", "1"]
        assert row.endswith(r"KeyError: \x1b[31mboom\n")

    def test_they_are_listed_for_programs(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert kmodbot_deliveries("list", "--json", "--limit", "10") == 0

        listed = json.loads(capsys.readouterr().out)
        assert [(each["guid"], each["state"]) for each in listed] == [
            ("guid-1", "dead"),
            ("guid-2", "processing"),
        ]
        assert listed[0]["received_at"] == "2026-11-23T12:00:00+00:00"

    def test_a_dead_one_is_taken_up_again(self, database_url: str) -> None:
        assert kmodbot_deliveries("retry", "guid-1") == 0
        assert state_of(database_url, "guid-1") is DeliveryState.RECEIVED

    def test_all_dead_ones_are_taken_up_again(self, database_url: str) -> None:
        assert kmodbot_deliveries("retry", "--all") == 0
        assert state_of(database_url, "guid-1") is DeliveryState.RECEIVED
        assert state_of(database_url, "guid-2") is DeliveryState.PROCESSING

    @pytest.mark.parametrize("guid", ["guid-2", "absent"])
    def test_what_is_not_dead_is_left_alone(
        self, guid: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert kmodbot_deliveries("retry", guid) == 1
        assert guid in capsys.readouterr().err


def test_it_is_said_that_there_is_nothing_to_list(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def prepare() -> None:
        database = Database(database_url)
        await database.prepare()
        await database.close()

    asyncio.run(prepare())
    for words in (["list"], ["list", "--state", "dead"]):
        assert kmodbot_deliveries(*words) == 0

    assert capsys.readouterr().out == "no delivery is stored\nno delivery is dead\n"


def test_a_database_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/elsewhere.db")

    assert kmodbot_deliveries("list") == 2

    assert f"there is no database at {tmp_path}/elsewhere.db" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize(
    "words", [["list", "--limit", "0"], ["list", "--state", "lost"], ["retry"], []]
)
def test_other_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        kmodbot_deliveries(*words)

    assert caught.value.code == 2
    assert capsys.readouterr().err


class TestMigrate:
    async def change_revision(self, url: str, revision: str) -> None:
        database = Database(url)
        async with database.writing() as connection:
            await connection.execute(
                text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
            )
        await database.close()

    @on_both_stores
    def test_it_says_that_nothing_was_to_do(self, capsys: pytest.CaptureFixture[str]) -> None:
        for _ in range(2):
            assert migrate.run(argparse.Namespace()) == 0

        said = capsys.readouterr().out
        assert re.search(r": nothing was to do: it has revision \w+ already\n$", said)
        assert PASSWORD not in said

    def test_it_says_what_it_made(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert migrate.run(argparse.Namespace()) == 0

        assert re.search(r"kmodbot.db: made, with revision \w+\n$", capsys.readouterr().out)

    @on_both_stores
    def test_it_says_from_where_to_where(
        self, empty_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def make_the_first_version() -> None:
            database = Database(empty_url)
            async with database.writing() as connection:
                await connection.run_sync(migrating.upgrade, "0001")
            await database.close()

        asyncio.run(make_the_first_version())
        monkeypatch.setenv("DATABASE_URL", empty_url)
        assert migrate.run(argparse.Namespace()) == 0

        said = capsys.readouterr().out
        assert re.search(r": brought from revision 0001 to \w+\n$", said)

    def test_it_leaves_the_schema_of_a_newer_version_alone(
        self, database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert migrate.run(argparse.Namespace()) == 0
        asyncio.run(self.change_revision(database_url, "9999"))
        assert migrate.run(argparse.Namespace()) == 0

        said = capsys.readouterr().out
        assert said.endswith(
            "nothing was done: revision 9999 is of a newer version than this one\n"
        )


@pytest.mark.parametrize("url", ["mysql://root:hunter2@db/x", "sqlite:///", "postgresql://db"])
def test_a_database_of_another_kind_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    assert migrate.run(argparse.Namespace()) == 2
    said = capsys.readouterr().err
    assert said.startswith("kmodbot: DATABASE_URL: expected")
    assert "hunter2" not in said


class TestServe:
    @pytest.fixture
    def store(self) -> str:
        return "postgresql"

    async def serve(self, github: Sandbox, url: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kmodbot.cli", "serve"),
            env={
                **github.environment(),
                "KMODBOT_DRIVER": "hello",
                "PORT": "0",
                "DATABASE_URL": url,
            },
            stderr=asyncio.subprocess.PIPE,
        )
        said = (await process.communicate())[1].decode()
        assert PASSWORD not in said
        assert "Traceback" not in said
        return process.returncode, json.loads(said.splitlines()[-1])["message"]

    async def test_it_says_which_database_it_cannot_reach(
        self, github: Sandbox, database_url: str
    ) -> None:
        status, said = await self.serve(github, database_url.replace("/test_", "/gone_"))

        assert status == 2
        assert said.startswith("the bot does not start: DATABASE_URL: postgresql://127.0.0.1:")
        assert "does not exist" in said

    async def test_it_names_the_command_when_the_schema_is_too_old(
        self, github: Sandbox, postgresql: Server
    ) -> None:
        name = postgresql.create()
        status, said = await self.serve(github, postgresql.url(name))
        postgresql.drop(name)

        assert status == 2
        assert said.endswith("run kmodbot migrate")
