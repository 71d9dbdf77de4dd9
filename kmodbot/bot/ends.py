"""What is said when the bot begins and ends: where it listens, why it does not, what is left."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from kmodbot.bot import keys, logs
from kmodbot.bot.build import Phase
from kmodbot.bot.choices import LogFormat, LogLevel
from kmodbot.bot.store.figures import read_build_figures
from kmodbot.bot.store.urls import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kmodbot.bot.settings import Settings

log = logging.getLogger(__name__)

_SECONDS_TO_COUNT = 2.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SIGNAL = web.AppKey("signal", list[str])


def refuse(problems: Iterable[str], environ: Mapping[str, str]) -> int:
    """Say why the bot does not start; return the exit status.

    People get a line for each problem, programs one line of JSON, as the log would have it.
    """
    if logs.is_json(_log_format(environ), sys.stderr):
        logs.configure(LogFormat.JSON, LogLevel.INFO)
        log.critical("the bot does not start: %s", "; ".join(problems))
        return 2
    for problem in problems:
        sys.stderr.write(f"kmodbot: {problem}\n")
    return 2


def _log_format(environ: Mapping[str, str]) -> LogFormat:
    try:
        return LogFormat.parse(environ.get("KMODBOT_LOG_FORMAT") or LogFormat.AUTO)
    except ValueError:
        return LogFormat.AUTO


def say_listening(settings: Settings) -> Callable[[str], None]:
    """Return what takes aiohttp's own word that it listens, and logs where.

    The word has the addresses with the ports that were really bound.
    """

    def say(text: str) -> None:
        addresses = ", ".join(re.findall(r"https?://[^\s,]+", text))
        who = "known callers" if settings.authenticates else "everybody who reaches it"
        log.info(
            "listening on %s for %s, open to %s, store %s",
            *(addresses, settings.repository, who, shown(settings.database_url)),
        )

    return say


def remember_signals(app: web.Application) -> None:
    """Let the application remember by which signal it was told to stop."""
    app[_SIGNAL] = []
    app.on_startup.append(_obey_signals)


async def _obey_signals(app: web.Application) -> None:
    def stop(number: signal.Signals) -> None:
        app[_SIGNAL].append(number.name)
        # As aiohttp's own handler does.
        raise web.GracefulExit

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)


async def say_stopped(app: web.Application, seconds: float, *, cut_off: bool) -> None:
    """Log why the bot stopped, how long that took, and what is left to do."""
    signals = app.get(_SIGNAL)
    if signals == []:
        # Nobody told it to stop: it could not start, and why is said elsewhere.
        return
    reason = f" by {signals[0]}" if signals else ""
    if cut_off:
        # Perhaps because of a store that hangs, which would keep us from ending.
        left = "the work that was cut off after KMODBOT_DRAIN_SECONDS, and what the store has"
    else:
        left = await _counted(app)
    log.info("stopped%s after %.1f s; left: %s", reason, seconds, left)


async def _counted(app: web.Application) -> str:
    try:
        async with asyncio.timeout(_SECONDS_TO_COUNT):
            return await _left(app)
    except Exception as error:  # whatever the store fails with
        return f"unknown, for the store fails with {type(error).__name__}"


async def _left(app: web.Application) -> str:
    """Say what the next start, or another process, takes up."""
    phases = (await read_build_figures(app[keys.DATABASE])).phases
    under_way = phases.get(Phase.DISPATCHED, 0) + phases.get(Phase.BUILDING, 0)
    parts = (
        ("webhook deliveries", (await app[keys.DELIVERIES].backlog()).waiting),
        ("builds to start", phases.get(Phase.QUEUED, 0)),
        ("builds under way on GitHub", under_way),
    )
    return ", ".join(f"{what}: {count}" for what, count in parts if count) or "nothing"
