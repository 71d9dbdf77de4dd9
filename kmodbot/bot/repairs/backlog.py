"""Builds that wait for their run to be started, because GitHub wants a pause between writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.bot.attempts import report
from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.logs import bind

if TYPE_CHECKING:
    import asyncio

    from kmodbot.bot.dispatch import Dispatcher


class Backlog:
    """Starts the runs of the builds that wait, one after the other."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

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
            try:
                with bind(build=build.id):
                    await self._dispatcher.dispatch(build)
            except DispatchFailed as error:
                report(f"build {build.id}", error)
                if error.retry_after is not None:
                    # GitHub is away or limits us, so the others would fare no better now.
                    return
            except Exception as error:
                report(f"build {build.id}", error)
