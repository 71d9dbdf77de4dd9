"""What stands behind the HTTP API: who may ask, what is answered, and what is counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

from kmodbot.bot import keys
from kmodbot.bot.auth.door import Door
from kmodbot.bot.auth.refusals import Refusals
from kmodbot.bot.downloads import Addresses
from kmodbot.bot.http.builds import Rendering
from kmodbot.bot.http.wanted import READER, Reader
from kmodbot.bot.lookups import Lookups
from kmodbot.bot.readiness import Readiness
from kmodbot.bot.requests import Requests
from kmodbot.bot.timing import BuildTimes
from kmodbot.bot.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web


async def open_api(app: web.Application) -> AsyncIterator[None]:
    """Make what the handlers need of what the application is made of."""
    settings, changes, metrics = app[keys.SETTINGS], app[keys.CHANGES], app[keys.METRICS]
    builds, github = app[keys.BUILDS], app[keys.GITHUB]
    app[keys.ADDRESSES] = addresses = Addresses(settings, app[keys.REPOSITORY])
    app[READER] = Reader(settings.driver)
    app[keys.LOOKUPS] = lookups = Lookups(settings.rate_per_minute, github.quota)
    app[keys.REQUESTS] = Requests(
        settings,
        app[keys.DISPATCHER],
        builds,
        app[keys.AUDIT],
        changes,
        lookups,
        Rendering(addresses),
    )
    app[keys.REFUSALS] = Refusals(metrics.auth)
    app[keys.WAITING] = Waiting(builds, changes)
    app[keys.READINESS] = Readiness(
        app[keys.DATABASE],
        app[keys.DELIVERIES],
        app[keys.REACHABILITY],
        lambda: github.get(""),
        settings.ready_queue_seconds,
    )
    times = asyncio.create_task(BuildTimes(builds, changes, metrics.builds).run())
    async with aiohttp.ClientSession() as session:
        app[keys.DOOR] = Door(session, settings)
        yield
    times.cancel()
    await asyncio.gather(times, return_exceptions=True)
