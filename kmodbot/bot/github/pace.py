"""When GitHub may be asked: one write at a time with a pause after it, and silence under a limit.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from kmodbot.bot.github.errors import GitHubLimited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    Wanted = Callable[[], Awaitable[bool]]

# Where GitHub does not say how long to wait, each wait in a row is twice as long, up to this one.
_LONGEST_SILENCE = 900
# Two clocks that tell of the same moment may differ so much.
_SAME_SECONDS = 1.0


class Shared(Protocol):
    """What the processes of one App tell each other, because GitHub takes them for one."""

    async def others_write(self) -> bool:
        """Tell whether a write would have to wait for one of another process."""

    async def take_turn(self) -> float:
        """Take the turn to write; return 0, or in how many seconds to ask again."""

    async def end_turn(self, pause: float) -> None:
        """Let others write after a pause in seconds."""

    async def silence(self) -> tuple[float, int]:
        """Return for how many seconds all are to be silent, and how many silences grew to that."""

    async def be_silent(self, seconds: float, unsaid: int) -> None:
        """Have all processes be silent."""


class Unshared:
    """There is no other process."""

    async def others_write(self) -> bool:
        """Return that nobody else writes."""
        return False

    async def take_turn(self) -> float:
        """Return that the turn is there."""
        return 0.0

    async def end_turn(self, pause: float) -> None:
        """Do nothing."""

    async def silence(self) -> tuple[float, int]:
        """Return that nobody was told to be silent."""
        return 0.0, 0

    async def be_silent(self, seconds: float, unsaid: int) -> None:
        """Do nothing."""


class Pace:
    """Lets one task at a time write, of one process, and none within ``seconds`` after it."""

    def __init__(self, seconds: float, shared: Shared | None = None) -> None:
        self._seconds = seconds
        self._shared = shared or Unshared()
        self._lock = asyncio.Lock()
        self._free_at = 0.0
        self._has_written = True

    @property
    def is_busy(self) -> bool:
        """Whether the next write would have to wait for this process."""
        return self._lock.locked() or time.monotonic() < self._free_at

    async def must_wait(self) -> bool:
        """Tell whether the next write would have to wait, also for other processes."""
        return self.is_busy or await self._shared.others_write()

    @asynccontextmanager
    async def turn(self, is_wanted: Wanted | None = None) -> AsyncIterator[bool]:
        """Keep the turn for a write that may not come about; without one there is no pause.

        ``is_wanted`` is asked while other processes write. False, and no turn, when it says no.
        """
        if not await self._take(is_wanted):
            yield False
            return
        self._has_written = False
        try:
            yield True
        finally:
            await self._give_back()

    def written(self) -> None:
        """Take note of a write within the turn."""
        self._has_written = True

    async def __aenter__(self) -> None:
        await self._take(None)
        self._has_written = True

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._give_back()

    async def _take(self, is_wanted: Wanted | None) -> bool:
        is_taken = False
        await self._lock.acquire()
        try:
            await asyncio.sleep(self._free_at - time.monotonic())
            is_taken = await self._take_from_others(is_wanted)
        finally:
            if not is_taken:
                self._lock.release()
        return is_taken

    async def _take_from_others(self, is_wanted: Wanted | None) -> bool:
        while (wait := await self._shared.take_turn()) > 0:
            await asyncio.sleep(wait)
            if is_wanted is not None and not await is_wanted():
                return False
        return True

    async def _give_back(self) -> None:
        pause = self._seconds if self._has_written else 0.0
        self._free_at = time.monotonic() + pause
        try:
            await self._shared.end_turn(pause)
        finally:
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

    @property
    def unsaid(self) -> int:
        """How many silences in a row GitHub has named no time for."""
        return self._unsaid

    def join(self, seconds: float, unsaid: int) -> bool:
        """Be silent because another process was told to be; return whether that is news."""
        until = time.monotonic() + seconds
        if seconds <= 0 or until <= self._until + _SAME_SECONDS:
            return False
        self._until, self._is_kept = until, True
        self._unsaid = max(self._unsaid, unsaid)
        return True

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
