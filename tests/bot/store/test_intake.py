"""Deliveries that arrive together are stored together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from kmodbot.bot.store import intake as intake_module
from kmodbot.bot.store.deliveries import Deliveries, Delivery
from kmodbot.bot.store.intake import Intake
from tests.bot.stored import waiting

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from kmodbot.bot.store.database import Database


class CountedDeliveries(Deliveries):
    """Counts transactions, and fails and hangs as told."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.transactions: list[int] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def receive_all(self, arrived: Collection[Delivery], now: datetime) -> set[str]:
        self.transactions.append(len(arrived))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return await super().receive_all(arrived, now)


@pytest.fixture
def counted(database: Database) -> CountedDeliveries:
    return CountedDeliveries(database)


def delivery(guid: str) -> Delivery:
    return Delivery(guid, "workflow_run", b"{}")


async def test_those_that_arrive_during_a_commit_share_the_next(
    counted: CountedDeliveries,
) -> None:
    intake = Intake(counted)
    news = await asyncio.gather(*(intake.receive(delivery(f"g{n}")) for n in range(100)))

    assert all(news)
    assert len(counted.transactions) <= 2
    assert len(await waiting(counted, 200)) == 100


async def test_of_two_with_one_id_one_is_work(counted: CountedDeliveries) -> None:
    intake = Intake(counted)

    news = await asyncio.gather(*(intake.receive(delivery("same")) for _ in range(5)))

    assert sorted(news) == [False] * 4 + [True]


async def test_an_error_reaches_everybody_and_the_next_delivery_is_stored(
    counted: CountedDeliveries,
) -> None:
    intake = Intake(counted)
    counted.error = OperationalError("INSERT", {}, Exception("disk full"))
    outcomes = await asyncio.gather(
        *(intake.receive(delivery(f"g{n}")) for n in range(3)), return_exceptions=True
    )
    counted.error = None

    assert [type(outcome) for outcome in outcomes] == [OperationalError] * 3
    assert await intake.receive(delivery("g0"))


async def test_who_hangs_up_takes_nothing_from_the_others(counted: CountedDeliveries) -> None:
    intake = Intake(counted)
    hung_up = asyncio.create_task(intake.receive(delivery("g0")))
    stays = asyncio.create_task(intake.receive(delivery("g1")))
    await asyncio.sleep(0)
    hung_up.cancel()

    assert await stays
    assert len(await waiting(counted)) == 2


async def test_whoever_waits_for_a_store_that_hangs_is_told_in_time(
    counted: CountedDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "_LONGEST_SECONDS", 0.1)
    monkeypatch.setattr(intake_module, "_SECONDS_OPEN", 0.05)
    counted.gate.clear()
    intake = Intake(counted)

    # Each comes when those before it have given up.
    for number in range(4):
        waiting = asyncio.create_task(intake.receive(delivery(f"g{number}")))
        await asyncio.wait({waiting}, timeout=20)
        assert waiting.done()
        assert isinstance(waiting.exception(), TimeoutError)

    counted.gate.set()
    await intake.quiet(20)
    assert len(await counted.states([f"g{number}" for number in range(4)])) == 4
