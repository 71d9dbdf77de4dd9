"""When GitHub may be asked: one write at a time with a pause after it, and silence under a limit.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from kmodbot.bot.github.errors import GitHubLimited

if TYPE_CHECKING:
    from types import TracebackType

# Where GitHub does not say how long to wait, each wait in a row is twice as long, up to this one.
_LONGEST_SILENCE = 900


class Pace:
    """Lets one task at a time write, and none within ``seconds`` after the last one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._free_at = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether the next write would have to wait."""
        return self._lock.locked() or time.monotonic() < self._free_at

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        try:
            await asyncio.sleep(self._free_at - time.monotonic())
        except BaseException:
            self._lock.release()
            raise

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._free_at = time.monotonic() + self._seconds
        self._lock.release()


class Silence:
    """Refuses every call while GitHub wants us to be silent.

    Going on in spite of a limit can cost the App its access.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._unsaid = 0
        self._is_kept = False

    def check(self) -> None:
        """Do nothing unless a limit is in force.

        Raises:
            GitHubLimited: it is; ``retry_after`` says for how long.

        """
        left = self._until - time.monotonic()
        if left > 0:
            raise GitHubLimited("GitHub limits our requests", math.ceil(left))

    def begin(self, limit: GitHubLimited) -> float:
        """Be silent as long as GitHub said, or longer each time it does not say; return that."""
        seconds = limit.retry_after
        if not limit.said:
            seconds = min(seconds * 2**self._unsaid, _LONGEST_SILENCE)
            self._unsaid += 1
        now = time.monotonic()
        # A call that was under way may bring a shorter limit; the longer one still holds.
        self._until = max(self._until, now + seconds)
        self._is_kept = True
        return self._until - now

    def end(self) -> bool:
        """Take note that GitHub serves us; return whether it did not do so before.

        The answer to a call that was under way when the limit came says nothing of it.
        """
        if time.monotonic() < self._until:
            return False
        ended, self._is_kept, self._unsaid = self._is_kept, False, 0
        return ended
