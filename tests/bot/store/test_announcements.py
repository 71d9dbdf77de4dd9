"""A change made by one process wakes those who wait in another."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot.changes import Changes
from kmodbot.bot.store.announcements import shared
from kmodbot.bot.store.limits import SharedLimits
from tests.bot.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.store.database import Database
    from tests.bot.postgresql import Server


@pytest.fixture(params=["postgresql"])
def store() -> str:
    return "postgresql"


@asynccontextmanager
async def two_processes(one: Database, other: Database) -> AsyncIterator[tuple[Changes, Changes]]:
    mine, theirs = Changes(), Changes()
    limits = [SharedLimits(database, 30) for database in (one, other)]
    async with shared(mine, limits[0], one), shared(theirs, limits[1], other):
        await heard(mine, theirs)
        await heard(theirs, mine)
        yield mine, theirs


async def heard(teller: Changes, listener: Changes) -> None:
    """Announce until the listener has heard it."""
    with listener.of("b1") as changed:

        def announced() -> bool:
            teller.announce("b1")
            return changed.is_set()

        await eventually(announced)


async def test_who_waits_elsewhere_is_woken(database: Database, other_database: Database) -> None:
    async with two_processes(database, other_database) as (mine, theirs):
        with theirs.of("b2") as changed, theirs.of("b3") as unchanged:
            mine.announce("b2")
            await asyncio.wait_for(changed.wait(), 30)

            assert not unchanged.is_set()


async def test_a_broken_connection_is_opened_again(
    database: Database,
    other_database: Database,
    postgresql: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pause = "kmodbot.bot.store.announcements._SECONDS_BEFORE_RECONNECTING"
    monkeypatch.setattr(pause, 0.05)
    async with two_processes(database, other_database) as (mine, theirs):
        with theirs.of("b2") as woken:
            postgresql.stop()
            postgresql.start()
            # What was missed is not known, so everybody looks again.
            await asyncio.wait_for(woken.wait(), 30)
        await heard(mine, theirs)
        await heard(theirs, mine)
