"""Builds that wait for their run to be started, because GitHub wants a pause between writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.bot.attempts import report
from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.logs import bind

if TYPE_CHECKING:
    import asyncio

    from kmodbot.bot.build import Build
    from kmodbot.bot.dispatch import Dispatcher


class Backlog:
    """Starts the runs of the builds that wait, one after the other."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def caught_up(self) -> None:
        """Take note that the runs are known that came about before this process began."""
        self._dispatcher.has_caught_up = True

    def wake(self) -> None:
        """Look now for builds that wait."""
        self._dispatcher.behind.set()

    async def work_off(self, stopping: asyncio.Event) -> None:
        """Start the runs of builds as soon as some have come to wait."""
        await self._dispatcher.behind.wait()
        self._dispatcher.behind.clear()
        await self.start_all(stopping)

    async def start_all(self, stopping: asyncio.Event | None = None) -> None:
        """Start the run of every build that waits now."""
        for build in await self._dispatcher.waiting():
            if stopping is not None and stopping.is_set():
                return
            with bind(build=build.id):
                if not await self._start(build):
                    return

    async def _start(self, build: Build) -> bool:
        """Start the run of one build; False when the others would fare no better now."""
        try:
            await self._dispatcher.dispatch(build)
        except DispatchFailed as error:
            report(f"build {build.id}", error)
            # GitHub is away or limits us.
            return error.retry_after is None
        except Exception as error:
            report(f"build {build.id}", error)
        return True
