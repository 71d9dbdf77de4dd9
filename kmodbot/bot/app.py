"""The application: what it is made of, in the order in which it starts."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from kmodbot.bot import keys
from kmodbot.bot.adoption import Adoption
from kmodbot.bot.api import open_api
from kmodbot.bot.changes import Changes
from kmodbot.bot.completion import Completion
from kmodbot.bot.deliveries import DeliveryWork
from kmodbot.bot.delivery_pool import DeliveryPool
from kmodbot.bot.dispatch import Dispatcher
from kmodbot.bot.ends import say_stopped
from kmodbot.bot.events import MAX_PAYLOAD
from kmodbot.bot.github.client import GitHubClient
from kmodbot.bot.github.contents import Contents
from kmodbot.bot.github.downloads import Downloads
from kmodbot.bot.github.hooks import HookDeliveries
from kmodbot.bot.github.pulls import Pulls
from kmodbot.bot.github.releases import Releases
from kmodbot.bot.github.repository import RepositoryInfo
from kmodbot.bot.github.runs import Runs
from kmodbot.bot.github.transport import TIMEOUT
from kmodbot.bot.http import add_routes
from kmodbot.bot.http.middleware import answer
from kmodbot.bot.metrics import Metrics
from kmodbot.bot.ownership import Ownership
from kmodbot.bot.packages import PackageIndex
from kmodbot.bot.proposals import Proposals
from kmodbot.bot.reachability import Reachability
from kmodbot.bot.reconciler import Reconciler
from kmodbot.bot.repairs.backlog import Backlog
from kmodbot.bot.repairs.overdue import Overdue
from kmodbot.bot.repairs.recovery import Recovery
from kmodbot.bot.repairs.redelivery import Redelivery
from kmodbot.bot.repairs.reruns import Reruns
from kmodbot.bot.repairs.turns import Turns
from kmodbot.bot.repository import KnownRepository
from kmodbot.bot.store.announcements import shared
from kmodbot.bot.store.audit import Audit
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import UNUSABLE, Database
from kmodbot.bot.store.deliveries import Deliveries
from kmodbot.bot.store.discoveries import Discoveries
from kmodbot.bot.store.intake import Intake
from kmodbot.bot.store.leases import Leases
from kmodbot.bot.store.limits import SharedLimits
from kmodbot.bot.store.owner import Owners
from kmodbot.bot.store.retention import Retention
from kmodbot.bot.watch import Watch
from kmodbot.bot.workers import Workers
from kmodbot.discovery.al2023 import DEFAULT_REPOSITORIES, Discovery, RepositorySpec, discover
from kmodbot.discovery.cache import cache_directory
from kmodbot.discovery.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.settings import Settings

log = logging.getLogger(__name__)

# A store that does not answer must not keep a process from ending.
_SECONDS_TO_GIVE_BACK = 2.0
# How long a start may wait for what GitHub knows and the store does not.
_SECONDS_TO_CATCH_UP = 10.0
_STOPPED_AT = web.AppKey("stopped_at", list[float])


def create_app(settings: Settings) -> web.Application:
    """Build the bot's application; the store and the connections open when it starts."""
    app = web.Application(middlewares=[answer], client_max_size=MAX_PAYLOAD)
    app[keys.SETTINGS] = dataclasses.replace(settings, known=KnownRepository())
    app[keys.CHANGES] = Changes()
    app[keys.METRICS] = metrics = Metrics()
    app[keys.REACHABILITY] = Reachability(metrics.github)
    add_routes(app)
    app.cleanup_ctx.append(_assemble)
    app.cleanup_ctx.append(open_api)
    app.cleanup_ctx.append(_catch_up)
    app.cleanup_ctx.append(_work)
    app.on_shutdown.append(_begin_to_stop)
    return app


async def _assemble(app: web.Application) -> AsyncIterator[None]:
    settings, changes = app[keys.SETTINGS], app[keys.CHANGES]
    database = Database(settings.database_url)
    limits = SharedLimits(database, settings.claim_seconds)
    try:
        await database.prepare()
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            shared(changes, limits, database),
        ):
            builds, deliveries = Builds(database), Deliveries(database)
            discoveries = Discoveries(database)
            client = GitHubClient(session, settings, app[keys.REACHABILITY], limits)
            ownership = Ownership(settings, Owners(database), _end)
            repository = RepositoryInfo(client, ownership.check)
            runs = Runs(client, settings.workflow)
            contents = Contents(client, repository)
            index = PackageIndex(
                Releases(client), Downloads(session), repository, settings.index_seconds
            )
            dispatcher = Dispatcher(builds, index, runs, contents, changes, settings)
            adoption = Adoption(settings, builds, index)
            completion = Completion(settings, builds, index, runs, contents, changes, adoption)
            turns = Turns(Leases(database), settings.claim_seconds)
            proposals = Proposals(builds, discoveries, contents, Pulls(client, repository), turns)
            watch = Watch(
                settings,
                builds,
                discoveries,
                turns,
                dispatcher,
                proposals,
                functools.partial(_find_kernels, settings),
            )
            app[keys.DATABASE] = database
            app[keys.AUDIT] = Audit(database)
            app[keys.GITHUB] = client
            app[keys.REPOSITORY] = repository
            app[keys.INDEX] = index
            app[keys.BUILDS] = builds
            app[keys.DISCOVERIES] = discoveries
            app[keys.WATCH] = watch
            app[keys.DELIVERIES] = deliveries
            app[keys.INTAKE] = Intake(deliveries)
            app[keys.DISPATCHER] = dispatcher
            app[keys.WORKERS] = _workers(app, runs, completion, proposals, turns)
            try:
                await ownership.begin(repository.facts)
            except UNUSABLE as error:
                raise database.explained(error) from None
            yield
            if ownership.refusal is not None:
                raise ownership.refusal
    finally:
        await database.close()


def _workers(
    app: web.Application, runs: Runs, completion: Completion, proposals: Proposals, turns: Turns
) -> Workers:
    settings, builds, deliveries = app[keys.SETTINGS], app[keys.BUILDS], app[keys.DELIVERIES]
    reconciler = Reconciler(
        settings,
        builds,
        proposals,
        turns,
        Backlog(app[keys.DISPATCHER]),
        Overdue(settings, builds, runs, completion),
        Recovery(settings, builds, runs, completion, turns),
        Redelivery(deliveries, HookDeliveries(app[keys.GITHUB]), turns),
        Reruns(builds, runs, completion, turns),
    )
    list_changed = asyncio.Event()
    work = DeliveryWork(settings, completion, proposals, list_changed)
    return Workers(
        settings,
        DeliveryPool(settings, deliveries, app[keys.INTAKE], work.act_on),
        reconciler,
        proposals,
        app[keys.WATCH],
        Retention(builds, deliveries, app[keys.AUDIT], settings.audit_days),
        list_changed,
    )


def _end() -> None:
    """End the process as a signal does."""
    asyncio.get_running_loop().call_soon(_exit)


def _exit() -> None:
    raise web.GracefulExit


async def _find_kernels(settings: Settings) -> Discovery:
    specs = [RepositorySpec(url) for url in settings.discovery_repositories]
    async with Fetcher(cache_directory()) as fetcher:
        return await discover(specs or DEFAULT_REPOSITORIES, fetcher=fetcher)


async def _catch_up(app: web.Application) -> AsyncIterator[None]:
    looking = asyncio.create_task(app[keys.WORKERS].catch_up())
    # What takes longer goes on while requests are served.
    await asyncio.wait({looking}, timeout=_SECONDS_TO_CATCH_UP)
    yield
    looking.cancel()
    await asyncio.wait({looking}, timeout=_SECONDS_TO_GIVE_BACK)


async def _work(app: web.Application) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    stopped_at: list[float] = []
    app[_STOPPED_AT] = stopped_at
    work = asyncio.create_task(app[keys.WORKERS].run())
    yield
    if not stopped_at:
        await _begin_to_stop(app)
    # The requests under way had their time while the work had.
    left = stopped_at[0] + app[keys.SETTINGS].drain_seconds - loop.time()
    _, unfinished = await asyncio.wait({work}, timeout=max(0.0, left))
    for task in unfinished:
        # What is not done by then is done after the next start, or by another process.
        task.cancel()
    _, stuck = await asyncio.wait({work}, timeout=_SECONDS_TO_GIVE_BACK)
    if stuck:
        log.error("the work under way could not be given back in time; its lease will run out")
        work.cancel()
    await say_stopped(app, loop.time() - stopped_at[0], cut_off=bool(unfinished))


async def _begin_to_stop(app: web.Application) -> None:
    app[_STOPPED_AT].append(asyncio.get_running_loop().time())
    app[keys.WORKERS].stop()
    app[keys.CHANGES].close()
