"""The application: what it is made of, in the order in which it starts."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.changes import Changes
from kmodbot.bot.completion import Completion
from kmodbot.bot.deliveries import DeliveryWork
from kmodbot.bot.dispatch import Dispatcher
from kmodbot.bot.events import MAX_PAYLOAD
from kmodbot.bot.github.client import TIMEOUT, GitHubClient
from kmodbot.bot.github.contents import Contents
from kmodbot.bot.github.pulls import Pulls
from kmodbot.bot.github.releases import Releases
from kmodbot.bot.github.runs import Runs
from kmodbot.bot.http import add_routes
from kmodbot.bot.http.middleware import authenticate, envelope
from kmodbot.bot.packages import PackageIndex
from kmodbot.bot.proposals import Proposals
from kmodbot.bot.reconciler import Reconciler
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.deliveries import Deliveries
from kmodbot.bot.store.discoveries import Discoveries
from kmodbot.bot.store.leases import Leases
from kmodbot.bot.watch import Watch
from kmodbot.bot.workers import Workers
from kmodbot.discovery.al2023 import DEFAULT_REPOSITORIES, Discovery, RepositorySpec, discover
from kmodbot.discovery.cache import cache_directory
from kmodbot.discovery.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.settings import Settings

# What is not done by then is done after the next start.
_DRAIN_SECONDS = 8


def create_app(settings: Settings) -> web.Application:
    """Build the bot's application; the store and the connections open when it starts."""
    app = web.Application(middlewares=[envelope, authenticate], client_max_size=MAX_PAYLOAD)
    app[keys.SETTINGS] = settings
    app[keys.CHANGES] = Changes()
    add_routes(app)
    app.cleanup_ctx.append(_assemble)
    app.cleanup_ctx.append(_work)
    app.on_shutdown.append(_wake_waiting)
    return app


async def _assemble(app: web.Application) -> AsyncIterator[None]:
    settings, changes = app[keys.SETTINGS], app[keys.CHANGES]
    database = Database(settings.database_url)
    try:
        await database.migrate()
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            builds, deliveries = Builds(database), Deliveries(database)
            discoveries = Discoveries(database)
            client = GitHubClient(session, settings)
            contents, runs = Contents(client), Runs(client, settings.workflow)
            index = PackageIndex(Releases(client), settings.index_seconds)
            dispatcher = Dispatcher(builds, index, runs, contents, changes, settings)
            completion = Completion(settings, builds, index, runs, contents, changes)
            proposals = Proposals(builds, discoveries, contents, Pulls(client))
            watch = Watch(
                settings,
                builds,
                discoveries,
                Leases(database),
                dispatcher,
                proposals,
                functools.partial(_find_kernels, settings),
            )
            app[keys.BUILDS] = builds
            app[keys.DISCOVERIES] = discoveries
            app[keys.WATCH] = watch
            app[keys.DELIVERIES] = deliveries
            app[keys.DISPATCHER] = dispatcher
            list_changed = asyncio.Event()
            app[keys.WORKERS] = Workers(
                settings,
                DeliveryWork(settings, deliveries, completion, proposals, list_changed),
                Reconciler(builds, deliveries, dispatcher, completion, proposals),
                proposals,
                watch,
                list_changed,
            )
            yield
    finally:
        await database.close()


async def _find_kernels(settings: Settings) -> Discovery:
    specs = [RepositorySpec(url) for url in settings.discovery_repositories]
    async with Fetcher(cache_directory()) as fetcher:
        return await discover(specs or DEFAULT_REPOSITORIES, fetcher=fetcher)


async def _work(app: web.Application) -> AsyncIterator[None]:
    work = asyncio.create_task(app[keys.WORKERS].run())
    yield
    app[keys.WORKERS].stop()
    _, unfinished = await asyncio.wait({work}, timeout=_DRAIN_SECONDS)
    for task in unfinished:
        task.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def _wake_waiting(app: web.Application) -> None:
    app[keys.CHANGES].close()
