"""When discovery looks, and which process does."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot import keys
from kmodbot.bot.actions import Action
from kmodbot.bot.repairs.turns import Turns
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.leases import Leases
from kmodbot.bot.watch import SECONDS_BETWEEN_TURNS
from tests.bot.conftest import eventually, running_bot
from tests.bot.test_watch import AWAY, kernel, listing
from tests.bot.world import make_older

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.settings import Settings
    from kmodbot.bot.watch import Watch
    from kmodbot.discovery.al2023 import Discovery
    from kmodbot.sandbox import Sandbox

# How long the lease of a process that died lasts, in seconds.
CLAIM = 30.0


@pytest.fixture
def action() -> Action:
    return Action.REPORT


@pytest.fixture
async def daily(settings: Settings, github: Sandbox, action: Action) -> AsyncIterator[Watch]:
    """Return the watch of a bot that looks as often as it does by default."""
    async with running_bot(dataclasses.replace(settings, discovery=action), github) as bot:
        yield bot.app[keys.WATCH]


@pytest.fixture
async def elsewhere(database_url: str) -> AsyncIterator[Database]:
    """Return the store as another process has it open."""
    database = Database(database_url)
    yield database
    await database.close()


@dataclasses.dataclass
class Repositories:
    """What is read, for each look in order; an exception is raised."""

    answers: list[Discovery | Exception]
    looks: int = 0

    async def find(self) -> Discovery:
        self.looks += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_look_is_due_again_when_the_interval_is_over(
    daily: Watch, elsewhere: Database
) -> None:
    repositories = Repositories([listing(1), listing(1, 2)])
    daily.find = repositories.find
    another = dataclasses.replace(daily, turns=Turns(Leases(elsewhere), CLAIM))

    await daily.look_when_due()
    for age in (timedelta(minutes=2), timedelta(hours=23)):
        await make_older(elsewhere, age)
        await another.look_when_due()
        assert repositories.looks == 1
    await make_older(elsewhere, timedelta(hours=1))
    await another.look_when_due()

    assert repositories.looks == 2
    brought = await daily.last()
    assert brought is not None
    assert brought.new == (kernel(2).release,)


async def test_what_could_not_be_read_is_read_again_an_hour_later(
    daily: Watch, elsewhere: Database
) -> None:
    repositories = Repositories([listing(1, outcome=AWAY), listing(1)])
    daily.find = repositories.find

    await daily.look_when_due()
    await make_older(elsewhere, timedelta(minutes=58))
    await daily.look_when_due()
    assert repositories.looks == 1
    await make_older(elsewhere, timedelta(minutes=2))
    await daily.look_when_due()

    assert repositories.looks == 2


async def test_a_look_that_fails_is_due_again_after_a_minute(
    daily: Watch, elsewhere: Database
) -> None:
    repositories = Repositories([LookupError("unreadable"), listing(1)])
    daily.find = repositories.find

    with pytest.raises(LookupError):
        await daily.look_when_due()
    await daily.look_when_due()
    assert repositories.looks == 1, "not at once"
    assert await daily.last() is None
    await make_older(elsewhere, timedelta(seconds=SECONDS_BETWEEN_TURNS))
    await daily.look_when_due()

    assert repositories.looks == 2
    assert await daily.last() is not None


async def test_a_look_that_is_broken_off_is_due_at_once(daily: Watch, elsewhere: Database) -> None:
    async def for_ever() -> Discovery:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    begun, repositories = asyncio.Event(), Repositories([listing(1)])
    daily.find = for_ever
    looking = asyncio.create_task(daily.look_when_due())
    await begun.wait()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)

    turns = Turns(Leases(elsewhere), CLAIM)
    await dataclasses.replace(daily, turns=turns, find=repositories.find).look_when_due()

    assert repositories.looks == 1


async def test_a_process_that_died_in_its_look_blocks_the_next_for_a_lease_only(
    daily: Watch, elsewhere: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    async def die() -> Discovery:
        raise Died

    async def nothing(*_: object) -> None:
        pass

    repositories = Repositories([listing(1)])
    dead = dataclasses.replace(daily, turns=Turns(Leases(elsewhere), CLAIM), find=die)
    daily.find = repositories.find
    with monkeypatch.context() as killed:
        killed.setattr(Leases, "give_back", nothing)
        with pytest.raises(Died):
            await dead.look_when_due()

    await daily.look_when_due()
    assert repositories.looks == 0
    await make_older(elsewhere, timedelta(seconds=CLAIM))
    await daily.look_when_due()

    assert repositories.looks == 1


async def test_a_look_that_takes_longer_than_a_lease_is_not_made_twice(
    daily: Watch, elsewhere: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, renewed, read = Leases.renew, [], asyncio.Event()

    async def counted(self: Leases, *arguments: object) -> bool:
        renewed.append(await renew(self, *arguments))  # type: ignore[arg-type]
        return renewed[-1]

    async def slowly() -> Discovery:
        await read.wait()
        return listing(1)

    monkeypatch.setattr(Leases, "renew", counted)
    repositories = Repositories([])
    slow = dataclasses.replace(daily, turns=Turns(Leases(elsewhere), 1), find=slowly)
    daily.find = repositories.find
    looking = asyncio.create_task(slow.look_when_due())
    # As many as the lease would not outlive without them.
    await eventually(lambda: len(renewed) > 4)

    await daily.look_when_due()
    read.set()
    await looking

    assert repositories.looks == 0
    assert await daily.last() is not None


@pytest.mark.parametrize("action", [Action.PROPOSE])
async def test_what_is_new_is_proposed_although_the_process_that_saw_it_is_gone(
    daily: Watch, elsewhere: Database, github: Sandbox
) -> None:
    repositories = Repositories([listing(1), listing(1, 2, 3, 4)])
    gone = dataclasses.replace(daily, turns=Turns(Leases(elsewhere), CLAIM), find=repositories.find)
    await gone.look_when_due()
    await make_older(elsewhere, timedelta(days=1))
    await gone.look_when_due()
    assert len(github.pulls) == 2

    await daily.look_when_due()
    assert len(github.pulls) == 2, "two a minute, of all processes together"
    await make_older(elsewhere, timedelta(minutes=1))
    await daily.look_when_due()

    assert len(github.pulls) == 3
