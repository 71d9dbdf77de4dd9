"""Steps that may go wrong without stopping the others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.github.errors import GitHubDenied, GitHubUnavailable
from kmodbot.bot.logs import bind
from kmodbot.bot.store.database import reason_of
from kmodbot.bot.store.engines import POSTGRESQL_ERRORS
from kmodbot.bot.store.leases import LeaseLost
from kmodbot.kernels import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kmodbot.bot.build import Build

log = logging.getLogger(__name__)

# What a store that is away, or busy for too long, raises; a wrong statement is an error of ours.
_STORE_OUTAGE = (OSError, InterfaceError, OperationalError, PoolTimeout, *POSTGRESQL_ERRORS)


async def attempt(what: str, step: Callable[..., Awaitable[object]], *arguments: Any) -> bool:
    """Take one step; report an error instead of letting it stop the others."""
    try:
        await step(*arguments)
    except Exception as error:
        report(what, error)
        return False
    return True


async def each(builds: Iterable[Build], step: Callable[[Build], Awaitable[None]]) -> None:
    """Take one step for each build."""
    for build in builds:
        with bind(build=build.id, run=build.run_id):
            await attempt(f"build {build.id}", step, build)


def report(what: str, error: Exception) -> None:
    """Log an error of one piece of work."""
    # An outage is no fault of ours and needs no traceback; it is tried again.
    if isinstance(error, GitHubDenied):
        log.error("%s: tried again later: %s", what, error)
    elif isinstance(error, (GitHubUnavailable, DispatchFailed, LeaseLost)):
        log.warning("%s: tried again later: %s", what, error)
    elif isinstance(error, _STORE_OUTAGE):
        log.warning("%s: tried again later: the store fails: %s", what, reason_of(error))
    elif isinstance(error, InvalidInput):
        # Of what lies in the repository: the message says what to repair there.
        log.error("%s: tried again later: %s", what, error)
    else:
        log.exception("%s: unexpected error", what, exc_info=error)
