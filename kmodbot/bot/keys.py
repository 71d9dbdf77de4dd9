"""Where the handlers find what they work with, by typed keys of the application."""

from __future__ import annotations

from aiohttp import web

from kmodbot.bot.changes import Changes
from kmodbot.bot.dispatch import Dispatcher
from kmodbot.bot.settings import Settings
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.deliveries import Deliveries
from kmodbot.bot.store.discoveries import Discoveries
from kmodbot.bot.watch import Watch
from kmodbot.bot.workers import Workers

SETTINGS = web.AppKey("settings", Settings)
BUILDS = web.AppKey("builds", Builds)
DELIVERIES = web.AppKey("deliveries", Deliveries)
DISPATCHER = web.AppKey("dispatcher", Dispatcher)
CHANGES = web.AppKey("changes", Changes)
DISCOVERIES = web.AppKey("discoveries", Discoveries)
WATCH = web.AppKey("watch", Watch)
WORKERS = web.AppKey("workers", Workers)
