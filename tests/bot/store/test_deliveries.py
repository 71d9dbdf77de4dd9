from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.store.deliveries import Backlog, Deliveries, Delivery, DeliveryState
from tests.bot.store.conftest import NOW
from tests.bot.stored import done, receive, waiting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kmodbot.bot.store.database import Database

DELIVERY = Delivery("guid-1", "workflow_run", b"{}")
SOON = NOW + timedelta(seconds=30)
LATER = NOW + timedelta(minutes=5)


async def lease(
    deliveries: Deliveries,
    holder: str = "me",
    *,
    now: datetime = NOW,
    until: datetime = SOON,
    limit: int = 10,
) -> Sequence[Delivery]:
    return await deliveries.lease(holder, now, until, limit)


async def state(deliveries: Deliveries, guid: str = "guid-1") -> DeliveryState | None:
    return (await deliveries.states([guid])).get(guid)


class TestArrival:
    async def test_a_delivery_waits_until_it_is_done(self, deliveries: Deliveries) -> None:
        assert await receive(deliveries, DELIVERY, NOW)
        assert await waiting(deliveries) == [DELIVERY]

        await lease(deliveries)
        assert await waiting(deliveries) == [DELIVERY]
        await done(deliveries, "guid-1")
        assert await waiting(deliveries) == []

    async def test_a_doubled_delivery_is_stored_once(self, deliveries: Deliveries) -> None:
        moments = [NOW + timedelta(milliseconds=number) for number in range(5)]
        news = await asyncio.gather(*(receive(deliveries, DELIVERY, at) for at in moments))

        assert sorted(news) == [False] * 4 + [True]
        assert len(await waiting(deliveries)) == 1

    async def test_many_are_stored_at_once_each_one_time(self, deliveries: Deliveries) -> None:
        arrived = [replace(DELIVERY, guid=f"guid-{number % 40}") for number in range(60)]

        assert await deliveries.receive_all(arrived, NOW) == {f"guid-{n}" for n in range(40)}
        assert await deliveries.receive_all(arrived, LATER) == set()

    async def test_a_redelivery_of_something_done_is_no_work(self, deliveries: Deliveries) -> None:
        await receive(deliveries, DELIVERY, NOW)
        await lease(deliveries)
        await done(deliveries, "guid-1")

        assert not await receive(deliveries, DELIVERY, NOW)
        assert await waiting(deliveries) == []

    async def test_a_redelivery_of_something_under_way_is_no_work(
        self, deliveries: Deliveries
    ) -> None:
        await receive(deliveries, DELIVERY, NOW)
        await lease(deliveries)

        assert not await receive(deliveries, DELIVERY, NOW)
        assert await state(deliveries) is DeliveryState.PROCESSING

    async def test_a_redelivery_of_something_that_waits_for_its_first_try_is_no_work(
        self, deliveries: Deliveries
    ) -> None:
        await receive(deliveries, DELIVERY, NOW)

        assert not await receive(deliveries, DELIVERY, LATER)

    async def test_a_redelivery_of_something_dead_is_tried_again(
        self, deliveries: Deliveries
    ) -> None:
        await receive(deliveries, DELIVERY, NOW)
        await lease(deliveries)
        await deliveries.stumbled("guid-1", "me", "boom", None)
        assert await waiting(deliveries) == []

        assert await receive(deliveries, DELIVERY, NOW)
        assert await lease(deliveries) == [DELIVERY]

    async def test_a_redelivery_ends_the_pause_after_an_error(self, deliveries: Deliveries) -> None:
        await receive(deliveries, DELIVERY, NOW)
        await lease(deliveries)
        await deliveries.stumbled("guid-1", "me", "boom", LATER)
        assert await lease(deliveries) == []

        assert await receive(deliveries, DELIVERY, NOW)
        assert await lease(deliveries) == [DELIVERY]


class TestLeases:
    async def test_each_delivery_is_taken_by_one_of_many(
        self, deliveries: Deliveries, other_database: Database
    ) -> None:
        await deliveries.receive_all([replace(DELIVERY, guid=f"g{n}") for n in range(30)], NOW)
        others = Deliveries(other_database)

        taken = await asyncio.gather(
            *(lease(who, f"holder-{n}", limit=5) for n in range(5) for who in (deliveries, others))
        )

        guids = [delivery.guid for some in taken for delivery in some]
        assert len(guids) == len(set(guids))
        left = await lease(deliveries, limit=100)
        assert len(guids) + len(left) == 30

    async def test_a_lease_that_ran_out_is_taken_again(self, deliveries: Deliveries) -> None:
        await receive(deliveries, DELIVERY, NOW)
        await lease(deliveries, "killed")

        assert await lease(deliveries, now=NOW + timedelta(seconds=29)) == []
        assert await lease(deliveries, now=SOON, until=LATER) == [DELIVERY]

    async def test_a_renewed_lease_is_not_taken(self, deliveries: Deliveries) -> None:
        await receive(deliveries, DELIVERY, NOW)
        await lease(deliveries, "slow")
        await deliveries.renew("slow", LATER)

        assert await lease(deliveries, now=SOON) == []
        assert await deliveries.next_due() == LATER

    async def test_what_is_given_back_is_taken_at_once_and_costs_no_attempt(
        self, deliveries: Deliveries
    ) -> None:
        await deliveries.receive_all([DELIVERY, replace(DELIVERY, guid="guid-2")], NOW)
        await lease(deliveries)

        await deliveries.give_back("me", NOW, "guid-1")
        assert await lease(deliveries) == [DELIVERY]
        await deliveries.give_back("me", NOW)
        assert len(await lease(deliveries)) == 2

    async def test_who_lost_the_lease_changes_nothing(self, deliveries: Deliveries) -> None:
        await receive(deliveries, DELIVERY, NOW)
        await lease(deliveries, "slow")
        await lease(deliveries, "fast", now=SOON, until=LATER)

        await deliveries.stumbled("guid-1", "slow", "boom", None)
        await deliveries.give_back("slow", NOW)

        assert await state(deliveries) is DeliveryState.PROCESSING

    async def test_what_went_wrong_comes_again_after_a_pause(self, deliveries: Deliveries) -> None:
        await receive(deliveries, DELIVERY, NOW)
        await lease(deliveries)
        await deliveries.stumbled("guid-1", "me", "boom", SOON)
        await receive(deliveries, replace(DELIVERY, guid="guid-2"), NOW)

        (other,) = await lease(deliveries, until=LATER)
        (again,) = await lease(deliveries, now=SOON, until=LATER)
        assert (other.guid, other.attempts) == ("guid-2", 0)
        assert (again.guid, again.attempts) == ("guid-1", 1)

    async def test_those_that_are_due_for_longest_are_taken_first(
        self, deliveries: Deliveries
    ) -> None:
        for second in (2, 1, 3):
            moment = NOW + timedelta(seconds=second)
            await receive(deliveries, replace(DELIVERY, guid=f"guid-{second}"), moment)

        taken = await lease(deliveries, now=SOON, until=LATER, limit=2)
        assert {each.guid for each in taken} == {"guid-1", "guid-2"}

    async def test_what_is_done_is_recorded_with_the_next_lease(
        self, deliveries: Deliveries
    ) -> None:
        await deliveries.receive_all([DELIVERY, replace(DELIVERY, guid="guid-2")], NOW)
        await lease(deliveries, limit=1)

        (other,) = await deliveries.lease("me", NOW, SOON, limit=1, done=["guid-1"])

        assert other.guid == "guid-2"
        assert await state(deliveries) is DeliveryState.DONE

    async def test_nothing_is_due_while_nothing_waits(self, deliveries: Deliveries) -> None:
        assert await deliveries.next_due() is None
        await receive(deliveries, DELIVERY, NOW)
        assert await deliveries.next_due() == NOW
        await done(deliveries, "guid-1")
        assert await deliveries.next_due() is None


class TestOperators:
    async def test_the_dead_are_listed_with_the_reason_and_taken_up_again(
        self, deliveries: Deliveries
    ) -> None:
        await deliveries.receive_all([DELIVERY, replace(DELIVERY, guid="guid-2")], NOW)
        await lease(deliveries)
        await deliveries.stumbled("guid-1", "me", "KeyError:\0 boom", None)

        (dead,) = await deliveries.list(DeliveryState.DEAD, limit=10)
        assert (dead.guid, dead.attempts, dead.error) == ("guid-1", 1, "KeyError: boom")
        assert dead.received_at == NOW
        assert len(await deliveries.list(None, limit=10)) == 2
        assert await deliveries.retry("guid-2", NOW) == []
        assert await deliveries.retry(None, NOW) == ["guid-1"]
        assert await lease(deliveries) == [DELIVERY]

    async def test_the_backlog_is_counted(self, deliveries: Deliveries) -> None:
        assert await deliveries.backlog() == Backlog(0, None, 0)
        await deliveries.receive_all([DELIVERY, replace(DELIVERY, guid="guid-2")], NOW)
        await receive(deliveries, replace(DELIVERY, guid="guid-3"), SOON)
        await lease(deliveries, limit=1)

        assert await deliveries.backlog() == Backlog(3, NOW, 0)
        await deliveries.stumbled("guid-1", "me", "boom", None)
        await done(deliveries, "guid-2")
        assert await deliveries.backlog() == Backlog(1, SOON, 1)

    async def test_only_what_has_ended_is_forgotten(self, deliveries: Deliveries) -> None:
        await deliveries.receive_all([replace(DELIVERY, guid=f"g{n}") for n in range(3)], NOW)
        await lease(deliveries, limit=2)
        await done(deliveries, "g0")
        await deliveries.stumbled("g1", "me", "boom", None)

        await deliveries.forget(LATER)
        assert set(await deliveries.states(["g0", "g1", "g2"])) == {"g1", "g2"}
        await deliveries.forget(LATER, DeliveryState.DEAD)
        assert set(await deliveries.states(["g0", "g1", "g2"])) == {"g2"}
