"""One process at a time does a piece of work, for as long as it takes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from kmodbot.bot.repairs import turns
from kmodbot.bot.repairs.turns import Turns
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.leases import NOBODY, LeaseLost, Leases
from tests.bot.conftest import eventually
from tests.bot.stored import holder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOUR = 3600.0


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def leases(database_url: str) -> AsyncIterator[Leases]:
    database = Database(database_url)
    await database.prepare()
    yield Leases(database)
    await database.close()


@pytest.fixture
async def mine(leases: Leases) -> Turns:
    return Turns(leases, lease_seconds=1)


@pytest.fixture
async def theirs(database_url: str, leases: Leases) -> AsyncIterator[Turns]:
    """Return the turns of another process, which opens the database after ``leases``."""
    database = Database(database_url)
    yield Turns(Leases(database), lease_seconds=1)
    await database.close()


async def is_theirs(turns: Turns, every: float = HOUR) -> bool:
    async with turns.turn("work", every) as is_ours:
        return is_ours


async def renewals(leases: Leases, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Wait until leases were renewed so many times."""
    renew, seen = Leases.renew, []

    async def counted(self: Leases, *arguments: object) -> bool:
        seen.append(await renew(self, *arguments))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(Leases, "renew", counted)
    await eventually(lambda: len(seen) >= count)


async def test_work_that_takes_longer_than_a_lease_stays_with_its_process(
    leases: Leases, mine: Turns, theirs: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = await leases.now()
    async with mine.turn("work", every=0) as is_ours:
        assert is_ours
        # As many as the lease would not outlive without them.
        await renewals(leases, monkeypatch, turns._RENEWALS + 1)
        assert await leases.now() - began > timedelta(seconds=1)
        assert not await is_theirs(theirs)

    assert await is_theirs(theirs)


async def test_work_that_is_done_is_due_again_when_its_interval_is_over(
    leases: Leases, mine: Turns, theirs: Turns
) -> None:
    assert await is_theirs(mine)

    assert not await is_theirs(theirs)
    assert await holder(leases, "work") == NOBODY
    await theirs.hasten("work")
    assert await is_theirs(theirs)


async def test_work_that_goes_on_is_not_hastened(mine: Turns, theirs: Turns) -> None:
    async with mine.turn("work", HOUR):
        await theirs.hasten("work")

        assert not await is_theirs(theirs)


async def test_work_that_is_broken_off_is_due_at_once(mine: Turns, theirs: Turns) -> None:
    async def work() -> None:
        async with mine.turn("work", HOUR):
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await is_theirs(theirs)


async def test_work_that_fails_is_due_when_its_interval_is_over(mine: Turns, theirs: Turns) -> None:
    async def fail() -> None:
        async with mine.turn("work", HOUR):
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    assert not await is_theirs(theirs)


async def test_what_a_process_that_died_has_held_is_free_again_soon(
    leases: Leases, theirs: Turns
) -> None:
    now = await leases.now()
    assert await leases.take("work", "dead", now, now + timedelta(seconds=0.5))

    async with asyncio.timeout(20), theirs.alone("work"):
        assert await leases.now() >= now + timedelta(seconds=0.5)


async def test_work_is_given_up_when_another_process_has_taken_it_over(
    leases: Leases, mine: Turns, theirs: Turns
) -> None:
    async def work() -> None:
        async with asyncio.timeout(20), mine.turn("work", HOUR):
            # As if this process had been stopped for long.
            later = await leases.now() + timedelta(seconds=2)
            assert await leases.take("work", "another", later, later + timedelta(hours=1))
            await asyncio.Event().wait()

    with pytest.raises(LeaseLost):
        await work()

    assert await holder(leases, "work") == "another"
    assert not await is_theirs(theirs)


async def test_work_is_given_up_before_its_lease_ends_while_the_store_is_away(
    leases: Leases, mine: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: Leases, *_: object) -> bool:
        raise OperationalError("", {}, ConnectionError("the store is away"))

    monkeypatch.setattr(Leases, "renew", away)
    began = await leases.now()

    with pytest.raises(LeaseLost):
        async with asyncio.timeout(20), mine.turn("work", HOUR):
            await asyncio.Event().wait()

    assert await leases.now() - began >= timedelta(seconds=turns._PATIENCE)
    assert await is_theirs(mine), "it was given back when the store served again"


async def test_an_outage_that_a_lease_outlives_stops_nothing(
    leases: Leases, mine: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, failures = Leases.renew, iter([True])

    async def away_once(self: Leases, *arguments: object) -> bool:
        if next(failures, False):
            raise OperationalError("", {}, ConnectionError("the store is away"))
        return await renew(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Leases, "renew", away_once)
    async with asyncio.timeout(20), mine.turn("work", HOUR) as is_ours:
        assert is_ours
        await renewals(leases, monkeypatch, 2)


async def test_of_those_who_wait_one_at_a_time_goes_on(mine: Turns, theirs: Turns) -> None:
    inside: list[Turns] = []
    most = 0

    async def work(turns: Turns) -> None:
        nonlocal most
        async with turns.alone("work"):
            inside.append(turns)
            most = max(most, len(inside))
            await asyncio.sleep(0)
            inside.remove(turns)

    async with asyncio.timeout(30):
        await asyncio.gather(*(work(each) for each in (mine, theirs) * 3))

    assert most == 1


async def test_a_time_limit_of_the_work_itself_is_no_lost_lease(mine: Turns) -> None:
    with pytest.raises(TimeoutError):
        async with mine.turn("work", HOUR):
            raise TimeoutError
