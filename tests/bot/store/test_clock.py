from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot.store import clock
from kmodbot.bot.store.clock import SharedClock
from tests.bot.store.conftest import NOW

if TYPE_CHECKING:
    from kmodbot.bot.store.database import Database


async def test_the_time_is_read_once_a_minute_and_goes_on_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = SimpleNamespace(seconds=0.0)
    machine.monotonic = lambda: machine.seconds
    monkeypatch.setattr(clock, "time", machine)
    readings = iter([NOW, NOW + timedelta(hours=1)])

    async def read() -> datetime:
        return next(readings)

    shared = SharedClock(read)
    assert await shared.now() == NOW
    machine.seconds += 59
    assert await shared.now() == NOW + timedelta(seconds=59)
    machine.seconds += 2
    assert await shared.now() == NOW + timedelta(hours=1)


@pytest.mark.parametrize("store", ["postgresql"])
async def test_processes_on_several_machines_go_by_the_clock_of_the_server(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = datetime.now(UTC)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return before + timedelta(hours=2)

    monkeypatch.setattr("kmodbot.bot.store.database.datetime", Ahead)

    assert abs(await database.now() - before) < timedelta(hours=1)
