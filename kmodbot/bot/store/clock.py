"""The clock that all processes of one database go by, whatever the clocks of their machines say."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_SECONDS_BETWEEN_LOOKS = 60


class SharedClock:
    """Tells the time that ``read`` returns, and goes on by itself for a minute after each look."""

    def __init__(self, read: Callable[[], Awaitable[datetime]]) -> None:
        self._read = read
        self._last: tuple[datetime, float] | None = None

    async def now(self) -> datetime:
        """Return the time; raises what ``read`` raises."""
        if self._last is None or time.monotonic() - self._last[1] > _SECONDS_BETWEEN_LOOKS:
            read = await self._read()
            self._last = (read, time.monotonic())
        moment, seen_at = self._last
        return moment + timedelta(seconds=time.monotonic() - seen_at)
