from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.bot.store.conftest import NOW
from tests.bot.stored import holder

if TYPE_CHECKING:
    from kmodbot.bot.store.leases import Leases

LATER = NOW + timedelta(minutes=5)


async def test_one_of_many_gets_the_lease(leases: Leases) -> None:
    answers = await asyncio.gather(
        *(leases.take("discovery", f"holder-{n}", NOW, LATER) for n in range(10))
    )

    assert answers.count(True) == 1
    assert await holder(leases, "discovery") == f"holder-{answers.index(True)}"


async def test_a_lease_is_free_when_it_has_run_out(leases: Leases) -> None:
    assert await leases.take("discovery", "one", NOW, LATER)
    assert not await leases.take("discovery", "one", NOW, LATER)
    assert await leases.take("another", "two", NOW, LATER)

    assert await leases.take("discovery", "two", LATER, LATER + timedelta(minutes=5))


async def test_only_the_holder_records_and_gives_back(leases: Leases) -> None:
    await leases.take("discovery", "one", NOW, LATER)

    await leases.record("discovery", "two", "stolen")
    await leases.give_back("discovery", "two", NOW)
    assert await leases.result("discovery") is None
    assert await holder(leases, "discovery") == "one"
    await leases.record("discovery", "one", "found 3")
    await leases.give_back("discovery", "one", LATER)
    assert await leases.result("discovery") == "found 3"
    assert not await leases.take("discovery", "two", NOW, LATER)
