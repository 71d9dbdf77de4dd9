"""Steps that may go wrong without stopping the others."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.github.errors import GitHubUnavailable
from kmodbot.bot.logs import bind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kmodbot.bot.build import Build

log = logging.getLogger(__name__)


async def attempt(what: str, step: Callable[..., Awaitable[None]], *arguments: Any) -> bool:
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
        with bind(build=build.id):
            await attempt(f"build {build.id}", step, build)


def report(what: str, error: Exception) -> None:
    """Log an error of one piece of work."""
    # An outage of GitHub is no fault of ours and needs no traceback; it is tried again.
    if isinstance(error, (GitHubUnavailable, DispatchFailed)):
        log.warning("%s: tried again later: %s", what, error)
    else:
        log.exception("%s: unexpected error", what, exc_info=error)
