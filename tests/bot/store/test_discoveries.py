from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.store.discoveries import Discoveries, Discovery
from tests.bot.store.conftest import NOW, kernel

if TYPE_CHECKING:
    from kmodbot.bot.store.database import Database

SEEN = Discovery(kernel(), ("livepatch",), buildable=False, first_seen_at=NOW, last_seen_at=NOW)


async def test_knowledge_only_grows(discoveries: Discoveries) -> None:
    later = NOW + timedelta(days=1)
    assert await discoveries.record([SEEN]) == [SEEN]
    again = replace(SEEN, sources=("core",), buildable=True, last_seen_at=later)
    assert await discoveries.record([again]) == []

    (known,) = await discoveries.all()
    assert known == replace(SEEN, sources=("core", "livepatch"), buildable=True, last_seen_at=later)


async def test_two_processes_may_see_the_same_kernel(
    discoveries: Discoveries, other_database: Database
) -> None:
    await asyncio.gather(discoveries.record([SEEN]), Discoveries(other_database).record([SEEN]))

    assert await discoveries.all() == [SEEN]


async def test_what_is_handled_is_not_work(discoveries: Discoveries) -> None:
    await discoveries.record([replace(SEEN, buildable=True)])
    assert [each.kernel for each in await discoveries.unhandled()] == [kernel()]

    await discoveries.handled(kernel())
    assert await discoveries.unhandled() == []
