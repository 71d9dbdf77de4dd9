"""``kmodbot serve``: run the bot until it is told to stop.

It is configured by environment variables, which docs/configuration.md lists; those that are missing
or malformed are named at the start.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import TYPE_CHECKING

import uvloop
from aiohttp import web

from kmodbot.bot import ends, logs
from kmodbot.bot.app import create_app
from kmodbot.bot.settings import Settings, SettingsError, unknown_variables
from kmodbot.bot.store.database import StoreError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

log = logging.getLogger(__name__)

_NEW_OBJECTS_BEFORE_COLLECTING = 50_000


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Add nothing: the environment configures the bot."""


def run(_arguments: argparse.Namespace) -> int:
    """Run the bot; return the exit status."""
    return serve()


def serve(environ: Mapping[str, str] = os.environ) -> int:
    """Run the bot with the settings of the environment; return the exit status."""
    try:
        settings = Settings.from_environment(environ)
    except SettingsError as error:
        return ends.refuse([*error.problems, *unknown_variables(environ)], environ)
    logs.configure(settings.log_format, settings.log_level)
    for sentence in unknown_variables(environ):
        log.warning("%s", sentence)
    # Thousands of open connections are many objects, and Python would look at them again for every
    # few hundred new ones, which takes longer than the requests themselves.
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_BEFORE_COLLECTING)
    # SIGTERM and SIGINT end the loop; requests and work under way have the same time.
    app = create_app(settings)
    ends.remember_signals(app)
    try:
        web.run_app(
            app,
            host=settings.host,
            port=settings.port,
            access_log=None,
            shutdown_timeout=settings.drain_seconds,
            print=ends.say_listening(settings),
            loop=uvloop.new_event_loop(),
        )
    except OSError as error:
        problem = f"HOST and PORT: cannot listen on {settings.host}:{settings.port}: {error}"
    except StoreError as error:
        problem = f"DATABASE_URL: {error}"
    except Exception:
        log.critical("the bot ends, which it should not", exc_info=True)
        return 1
    else:
        return 0
    return ends.refuse([problem], environ)


if __name__ == "__main__":
    sys.exit(serve())
