"""Where the handlers find what they work with, by typed keys of the application."""

from __future__ import annotations

from aiohttp import web

from kmodbot.bot.auth.caller import Caller
from kmodbot.bot.auth.door import Door
from kmodbot.bot.auth.refusals import Refusals
from kmodbot.bot.changes import Changes
from kmodbot.bot.dispatch import Dispatcher
from kmodbot.bot.downloads import Addresses
from kmodbot.bot.github.client import GitHubClient
from kmodbot.bot.github.repository import RepositoryInfo
from kmodbot.bot.lookups import Lookups
from kmodbot.bot.metrics import Metrics
from kmodbot.bot.packages import PackageIndex
from kmodbot.bot.reachability import Reachability
from kmodbot.bot.readiness import Readiness
from kmodbot.bot.requests import Requests
from kmodbot.bot.settings import Settings
from kmodbot.bot.store.audit import Audit
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.deliveries import Deliveries
from kmodbot.bot.store.discoveries import Discoveries
from kmodbot.bot.store.intake import Intake
from kmodbot.bot.waiting import Waiting
from kmodbot.bot.watch import Watch
from kmodbot.bot.workers import Workers

SETTINGS = web.AppKey("settings", Settings)
BUILDS = web.AppKey("builds", Builds)
DELIVERIES = web.AppKey("deliveries", Deliveries)
INTAKE = web.AppKey("intake", Intake)
DISPATCHER = web.AppKey("dispatcher", Dispatcher)
CHANGES = web.AppKey("changes", Changes)
DISCOVERIES = web.AppKey("discoveries", Discoveries)
WATCH = web.AppKey("watch", Watch)
WORKERS = web.AppKey("workers", Workers)

DATABASE = web.AppKey("database", Database)
AUDIT = web.AppKey("audit", Audit)
INDEX = web.AppKey("index", PackageIndex)
GITHUB = web.AppKey("github", GitHubClient)
REPOSITORY = web.AppKey("repository", RepositoryInfo)
METRICS = web.AppKey("metrics", Metrics)
REACHABILITY = web.AppKey("reachability", Reachability)
WAITING = web.AppKey("waiting", Waiting)
READINESS = web.AppKey("readiness", Readiness)
DOOR = web.AppKey("door", Door)
REFUSALS = web.AppKey("refusals", Refusals)
ADDRESSES = web.AppKey("addresses", Addresses)
LOOKUPS = web.AppKey("lookups", Lookups)
REQUESTS = web.AppKey("requests", Requests)

# Of a request: who sent it.
CALLER = web.RequestKey("caller", Caller)
