"""How deliveries are worked off: a few at a time, again after errors, and without losing any."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot import delivery_pool
from kmodbot.bot.delivery import NotYet
from kmodbot.bot.delivery_pool import DeliveryPool
from kmodbot.bot.github.errors import GitHubLimited, GitHubUnavailable, GitHubUnreachable
from kmodbot.bot.secrets import Secret
from kmodbot.bot.settings import Settings
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.deliveries import Deliveries, Delivery, DeliveryState
from kmodbot.bot.store.intake import Intake
from kmodbot.bot.store.leases import LeaseLost
from tests.bot.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SETTINGS = Settings("1", Secret("key"), (), "acme/hello-driver", "hello", delivery_workers=3)


@dataclass
class Act:
    """What is done with deliveries: it waits while ``gate`` is closed, and fails as told."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    errors: dict[str, Exception] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    most_at_once: int = 0

    async def __call__(self, delivery: Delivery) -> None:
        self.seen.append(delivery.guid)
        self.under_way.add(delivery.guid)
        self.most_at_once = max(self.most_at_once, len(self.under_way))
        try:
            await self.gate.wait()
            error = self.errors.get(delivery.guid, self.error)
            if error is not None:
                raise error
        finally:
            self.under_way.remove(delivery.guid)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses as long as they really are, whatever other tests do."""
    monkeypatch.setattr(delivery_pool, "_FIRST_BACKOFF_SECONDS", 5.0)


@pytest.fixture
def act() -> Act:
    return Act()


@pytest.fixture
async def deliveries(database_url: str) -> AsyncIterator[Deliveries]:
    database = Database(database_url)
    await database.prepare()
    yield Deliveries(database)
    await database.close()


@asynccontextmanager
async def working(
    deliveries: Deliveries, act: Act, settings: Settings = SETTINGS
) -> AsyncIterator[DeliveryPool]:
    """Run a pool, and close it as a process does that has no time left."""
    pool = DeliveryPool(settings, deliveries, Intake(deliveries), act)

    async def steps() -> None:
        while True:
            await pool.step()

    task = asyncio.create_task(steps())
    yield pool
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await pool.close()


async def arrive(deliveries: Deliveries, *guids: str) -> None:
    arrived = [Delivery(guid, "workflow_run", b"{}") for guid in guids]
    await deliveries.receive_all(arrived, datetime.now(UTC))


async def states(deliveries: Deliveries, *guids: str) -> set[DeliveryState]:
    return set((await deliveries.states(guids)).values())


async def test_all_are_worked_off_a_few_at_a_time(deliveries: Deliveries, act: Act) -> None:
    guids = [f"g{number}" for number in range(20)]
    await arrive(deliveries, *guids)
    async with working(deliveries, act):
        await eventually(lambda: len(act.under_way) == 3)
        act.gate.set()

        async def all_done() -> bool:
            return await states(deliveries, *guids) == {DeliveryState.DONE}

        await eventually(all_done)

    assert act.most_at_once == 3
    assert sorted(act.seen) == sorted(guids)


async def test_one_that_arrives_later_is_worked_off_when_the_pool_is_woken(
    deliveries: Deliveries, act: Act
) -> None:
    act.gate.set()
    async with working(deliveries, act) as pool:
        await arrive(deliveries, "g1")
        pool.wake()

        await eventually(lambda: act.seen == ["g1"])


async def test_two_pools_share_the_work(deliveries: Deliveries, act: Act) -> None:
    await arrive(deliveries, *(f"g{number}" for number in range(6)))
    other = Act()
    async with working(deliveries, act), working(deliveries, other):
        await eventually(lambda: len(act.under_way) == len(other.under_way) == 3)

    assert not act.under_way & other.under_way


async def test_an_error_is_kept_and_the_delivery_dies_after_the_last_try(
    deliveries: Deliveries, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_pool, "_FIRST_BACKOFF_SECONDS", 0.001)
    act.gate.set()
    act.error = KeyError("workflow_run")
    await arrive(deliveries, "g1")
    async with working(deliveries, act):

        async def dead() -> bool:
            return await states(deliveries, "g1") == {DeliveryState.DEAD}

        await eventually(dead)

    (record,) = await deliveries.list(DeliveryState.DEAD, 10)
    assert (record.attempts, record.error) == (6, "KeyError: 'workflow_run'")
    assert act.seen == ["g1"] * 6


async def test_the_pause_after_an_error_has_full_jitter(
    deliveries: Deliveries, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        ranges.append((low, high))
        return 0

    monkeypatch.setattr("kmodbot.bot.delivery_pool.random.uniform", uniform)
    act.gate.set()
    act.error = ValueError("boom")
    await arrive(deliveries, "g1")
    async with working(deliveries, act):
        await eventually(lambda: len(ranges) == 6)

    assert ranges[:5] == [(0, 5), (0, 10), (0, 20), (0, 40), (0, 80)]


class TestOutage:
    async def test_all_work_is_parked_and_no_attempt_is_lost(
        self, deliveries: Deliveries, act: Act
    ) -> None:
        act.error = GitHubLimited("too fast", 3600)
        await arrive(deliveries, *(f"g{number}" for number in range(10)))
        async with working(deliveries, act) as pool:
            await eventually(lambda: len(act.under_way) == 3)
            act.gate.set()
            await eventually(lambda: given_back(deliveries))
            pool.wake()
            await asyncio.sleep(0)
            assert len(act.seen) == 3

            act.error = None
            pool.unpark()
            await eventually(lambda: len(act.seen) == 13)

    @pytest.mark.parametrize(("outages", "seconds"), [(1, 5), (2, 10), (4, 40), (9, 60)])
    async def test_an_outage_without_an_end_is_probed_ever_more_rarely(
        self,
        deliveries: Deliveries,
        act: Act,
        outages: int,
        seconds: float,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("kmodbot.bot.delivery_pool.random.uniform", lambda _low, high: high)
        act.gate.set()
        act.error = GitHubUnreachable("no route to host")
        await arrive(deliveries, "g1")
        async with working(deliveries, act) as pool:
            for number in range(outages):
                pool.unpark()
                await eventually(lambda number=number: len(act.seen) > number)  # type: ignore[misc]
                await eventually(lambda: given_back(deliveries))
            parked = pool._parked_until - asyncio.get_running_loop().time()

        assert seconds - 5 < parked <= seconds

    async def test_several_that_github_cannot_serve_are_an_outage(
        self, deliveries: Deliveries, act: Act
    ) -> None:
        act.gate.set()
        act.error = GitHubUnavailable("502")
        await arrive(deliveries, *(f"g{number}" for number in range(10)))
        async with working(deliveries, act) as pool:
            await eventually(lambda: pool._parked_until > 0)
            await eventually(lambda: given_back(deliveries))

        assert len(act.seen) < 10

    async def test_one_that_github_cannot_serve_does_not_keep_the_others_waiting(
        self, deliveries: Deliveries, act: Act, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery_pool, "_FIRST_BACKOFF_SECONDS", 0.001)
        act.gate.set()
        act.errors["poison"] = GitHubUnavailable("502")
        await arrive(deliveries, "poison")
        async with working(deliveries, act) as pool:
            await eventually(lambda: act.seen.count("poison") > 3)
            await arrive(deliveries, "g1")
            pool.wake()
            await eventually(lambda: "g1" in act.seen)
            assert pool._parked_until == 0

        assert await states(deliveries, "poison") == {DeliveryState.RECEIVED}

    async def test_one_that_github_cannot_serve_for_hours_dies_in_the_end(
        self, deliveries: Deliveries, act: Act, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery_pool, "_FIRST_BACKOFF_SECONDS", 0.001)
        act.gate.set()
        act.error = GitHubUnavailable("502")
        early = datetime.now(UTC) - timedelta(hours=13)
        await deliveries.receive_all([Delivery("poison", "workflow_run", b"{}")], early)
        async with working(deliveries, act):

            async def dead() -> bool:
                return await states(deliveries, "poison") == {DeliveryState.DEAD}

            await eventually(dead)

        assert act.seen == ["poison"] * 6


async def test_a_lease_of_branches_that_was_lost_costs_no_attempt(
    deliveries: Deliveries, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_pool, "_FIRST_BACKOFF_SECONDS", 0.01)
    act.gate.set()
    act.error = LeaseLost("another process may have begun")
    await arrive(deliveries, "g1")
    async with working(deliveries, act):
        await eventually(lambda: len(act.seen) >= 8)
        act.error = None

        async def is_done() -> bool:
            return await states(deliveries, "g1") == {DeliveryState.DONE}

        await eventually(is_done)


class TestLag:
    async def test_what_cannot_be_seen_yet_is_tried_again_and_costs_no_attempt(
        self, deliveries: Deliveries, act: Act
    ) -> None:
        act.gate.set()
        act.error = NotYet()
        await arrive(deliveries, "g1", "g2")
        async with working(deliveries, act):
            await eventually(lambda: len(act.seen) >= 8)
            act.error = None

            async def all_done() -> bool:
                return await states(deliveries, "g1", "g2") == {DeliveryState.DONE}

            await eventually(all_done)

        assert {each.attempts for each in await deliveries.list(None, 9)} == {0}

    @pytest.mark.parametrize(("age", "seconds"), [(0, 2), (1, 2), (7, 7), (100, 30)])
    async def test_each_pause_is_longer_up_to_half_a_minute(
        self,
        deliveries: Deliveries,
        act: Act,
        monkeypatch: pytest.MonkeyPatch,
        age: int,
        seconds: int,
    ) -> None:
        monkeypatch.setattr(delivery_pool, "_SHORTEST_LAG_SECONDS", 2.0)
        act.gate.set()
        act.error = NotYet()
        begun = datetime.now(UTC)
        received = begun - timedelta(seconds=age)
        await deliveries.receive_all([Delivery("g1", "workflow_run", b"{}")], received)
        async with working(deliveries, act):
            await eventually(lambda: bool(act.seen))
            await eventually(lambda: given_back(deliveries))

        (record,) = await deliveries.list(None, 9)
        assert record.next_try_at >= begun + timedelta(seconds=seconds)

    async def test_once_github_had_its_time_the_repairs_have_to_do(
        self, deliveries: Deliveries, act: Act
    ) -> None:
        act.gate.set()
        act.error = NotYet()
        long_ago = datetime.now(UTC) - timedelta(seconds=SETTINGS.lag_seconds)
        await deliveries.receive_all([Delivery("g1", "workflow_run", b"{}")], long_ago)
        async with working(deliveries, act):

            async def done() -> bool:
                return await states(deliveries, "g1") == {DeliveryState.DONE}

            await eventually(done)

        assert act.seen == ["g1"]


async def given_back(deliveries: Deliveries) -> bool:
    found = {(each.state, each.attempts) for each in await deliveries.list(None, 100)}
    return found == {(DeliveryState.RECEIVED, 0)}


class TestLeases:
    async def test_slow_work_keeps_its_lease(self, deliveries: Deliveries, act: Act) -> None:
        await arrive(deliveries, "g1")
        hasty = dataclasses.replace(SETTINGS, claim_seconds=0.2)
        other = Act()
        async with working(deliveries, act, hasty), working(deliveries, other, hasty):
            await eventually(lambda: bool(act.under_way or other.under_way))
            first = await deliveries.next_due()
            assert first is not None

            async def renewed() -> bool:
                due = await deliveries.next_due()
                return due is not None and due > first + timedelta(seconds=0.5)

            await eventually(renewed)
            assert len(act.seen) + len(other.seen) == 1

    async def test_what_a_killed_process_held_is_taken_up(
        self, deliveries: Deliveries, act: Act
    ) -> None:
        await arrive(deliveries, "g1")
        now = datetime.now(UTC)
        await deliveries.lease("killed", now, now + timedelta(seconds=0.2), 10)
        act.gate.set()
        async with working(deliveries, act):
            await eventually(lambda: act.seen == ["g1"])


class TestStop:
    async def test_work_under_way_is_finished_and_recorded(
        self, deliveries: Deliveries, act: Act
    ) -> None:
        await arrive(deliveries, "g1")
        async with working(deliveries, act) as pool:
            await eventually(lambda: bool(act.under_way))
            act.gate.set()
            await pool.finish()

        assert await states(deliveries, "g1") == {DeliveryState.DONE}

    async def test_work_that_is_cut_off_is_given_back_at_once(
        self, deliveries: Deliveries, act: Act
    ) -> None:
        await arrive(deliveries, "g1")
        async with working(deliveries, act):
            await eventually(lambda: bool(act.under_way))

        assert await given_back(deliveries)
        due = await deliveries.next_due()
        assert due is not None
        assert due <= datetime.now(UTC)
