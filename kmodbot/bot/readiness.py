"""Can this bot do its work? Each part that it needs is asked."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kmodbot.bot.shared import SharedReadings
from kmodbot.bot.store.figures import read_build_figures
from kmodbot.bot.store.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.bot.reachability import Reachability
    from kmodbot.bot.store.database import Database
    from kmodbot.bot.store.deliveries import Deliveries

_STORE_SECONDS = 3.0
# Anybody may ask, so what is written does not grow with how often they do.
_SECONDS_A_WRITE_HOLDS = 5.0
_GITHUB_SECONDS = 3.0


@dataclass(frozen=True)
class Check:
    """What is known of one part: ``problem`` is None while it is well."""

    part: str
    problem: str | None


class Readiness:
    """Asks the store, and judges GitHub by the calls that were made anyway."""

    def __init__(
        self,
        database: Database,
        deliveries: Deliveries,
        reachability: Reachability,
        ask_github: Callable[[], Awaitable[object]],
        queue_seconds: float,
    ) -> None:
        self._database = database
        self._leases = Leases(database)
        self._writes: SharedReadings[None, bool] = SharedReadings(1, _SECONDS_A_WRITE_HOLDS)
        self._deliveries = deliveries
        self._reachability = reachability
        self._ask_github = ask_github
        self._queue_seconds = queue_seconds

    async def checks(self) -> list[Check]:
        """Look at every part; the queue is left out while the store cannot tell."""
        await self._reachability.check(self._ask_github, _GITHUB_SECONDS)
        github = Check("github", self._reachability.problem())
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                oldest = await self._oldest()
                await self._writes.get(None, _SECONDS_A_WRITE_HOLDS, self._write)
        except Exception as error:  # whatever the store fails with
            return [Check("store", _failure(error)), github]
        return [Check("store", None), github, Check("queue", self._judge(oldest))]

    async def _oldest(self) -> datetime | None:
        """Return since when the oldest piece of work waits."""
        delivery = (await self._deliveries.backlog()).oldest
        build = (await read_build_figures(self._database)).oldest_queued
        return min((moment for moment in (delivery, build) if moment is not None), default=None)

    async def _write(self) -> bool:
        """Write a little: a disk that is full, or a standby of a database, can still be read."""
        now = datetime.now(UTC)
        return await self._leases.take("readiness", "", now, now)

    def _judge(self, oldest: datetime | None) -> str | None:
        age = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        if age <= self._queue_seconds:
            return None
        return f"the oldest work has waited for {age:.0f} s, more than {self._queue_seconds:.0f} s"


def _failure(error: Exception) -> str:
    """Say what the store fails with, in words that anybody may read: a server names its users."""
    kind, cause = type(error).__name__, getattr(error, "orig", None)
    words = f": {cause}" if isinstance(cause, sqlite3.Error) else ""
    return f"it fails with {kind}{words}"
