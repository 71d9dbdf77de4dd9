"""Whose turn it is: of any number of processes one does a piece of work in each interval."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmodbot.bot.store.leases import Leases


class Turns:
    """The turns of one process. A process that dies in its turn delays the work by an interval."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._holder = uuid.uuid4().hex

    async def take(self, work: str, seconds: float) -> bool:
        """Take the turn of the next ``seconds``; False when some process has taken it."""
        now = await self._leases.now()
        until = now + timedelta(seconds=seconds)
        return await self._leases.take(work, self._holder, now, until)

    async def looked_until(self, work: str) -> datetime | None:
        """Return up to when the work has been done, by whichever process."""
        result = await self._leases.result(work)
        return None if result is None else datetime.fromisoformat(result)

    async def done_until(self, work: str, moment: datetime, seconds: float) -> None:
        """Record up to when the work has been done, and that it is due again in ``seconds``."""
        until = await self._leases.now() + timedelta(seconds=seconds)
        await self._leases.conclude(work, self._holder, until, moment.isoformat())
