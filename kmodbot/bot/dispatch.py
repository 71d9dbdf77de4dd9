"""From a request to a run: what exists is named, what is under way is joined, the rest is started.

The reservation is stored before GitHub is asked for the run, and the run's title carries the build
id, so a bot that stops between the two finds the run again instead of starting a second one.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.build import Build, Package, Phase, Target, kernel_fields
from kmodbot.bot.github.errors import GitHubRefused, GitHubUnavailable
from kmodbot.bot.trust import distrust, is_titled_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.bot.changes import Changes
    from kmodbot.bot.github.contents import Contents
    from kmodbot.bot.github.runs import Runs
    from kmodbot.bot.packages import PackageIndex
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

log = logging.getLogger(__name__)

_SECONDS_BEFORE_A_MISS_IS_CHECKED = 2.0
_MOST_CLAIMS = 3
# How far GitHub's clock may be behind ours when runs are searched by their time.
_CLOCK_SKEW = timedelta(minutes=5)


class DispatchFailed(Exception):
    """The run was not started. With ``retry_after`` it will be, later and without being asked."""

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__("the build could not be started")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Outcome:
    """The answer to a request: the package where it exists, else the build that makes it.

    ``started`` tells whether this request dispatched the run.
    """

    package: Package | None = None
    build: Build | None = None
    started: bool = False


class Dispatcher:
    """Starts each build once."""

    def __init__(
        self,
        builds: Builds,
        index: PackageIndex,
        runs: Runs,
        contents: Contents,
        changes: Changes,
        settings: Settings,
    ) -> None:
        self._settings = settings
        self._builds = builds
        self._index = index
        self._runs = runs
        self._contents = contents
        self._changes = changes

    async def request(self, target: Target) -> Outcome:
        """Answer a node that wants the package of ``target``.

        Raises:
            GitHubUnavailable: it is not known whether the package exists; nothing was reserved.
            DispatchFailed: the build is reserved, but its run has not been started.

        """
        known = await self._builds.of_target(target)
        if known is not None and known.phase is not Phase.DONE:
            return Outcome(build=known)
        try:
            package = await self._find_package(target, known)
        except GitHubUnavailable:
            if known is None or known.package is None:
                raise
            # It was published, and packages are not withdrawn while GitHub is away.
            return Outcome(package=known.package)
        if package is None:
            return await self._reserve(target, known)
        if known is None:
            await self._builds.adopt(uuid.uuid4().hex, target, package, datetime.now(UTC))
        return Outcome(package=package)

    async def _find_package(self, target: Target, known: Build | None) -> Package | None:
        # What was missing a moment ago may have been published since, and not only by us. Before a
        # package that we published counts as gone, GitHub is asked for certain.
        age = _SECONDS_BEFORE_A_MISS_IS_CHECKED if known is None else 0
        return await self._index.find(target) or await self._index.find(target, max_age=age)

    async def _reserve(self, target: Target, vanished: Build | None) -> Outcome:
        if vanished is not None:
            log.warning("package %s is gone from its release; building again", target.package)
            await self._builds.release(vanished)
        build, created = await self._builds.reserve(uuid.uuid4().hex, target, datetime.now(UTC))
        if not created:
            return Outcome(package=build.package, build=build)
        await self.dispatch(build)
        return Outcome(build=build, started=True)

    async def dispatch(self, build: Build) -> None:
        """Start the run of a queued build, or find the one that an earlier try started.

        Raises:
            DispatchFailed: neither worked.

        """
        if not await self._builds.claim(build, datetime.now(UTC)):
            return
        try:
            # Ends well before another process may take the claim over.
            async with asyncio.timeout(self._settings.claim_seconds * 2 / 3):
                await self._find_or_start(build)
        except (GitHubUnavailable, TimeoutError) as error:
            log.warning("build %s: dispatch postponed: %s", build.id, error or "it took too long")
            retry_after = error.retry_after if isinstance(error, GitHubUnavailable) else None
            raise DispatchFailed(retry_after or 30) from error
        except GitHubRefused as error:
            await self._give_up(
                build, f"GitHub refused to start {self._settings.workflow}: {error}"
            )
            raise DispatchFailed from error
        self._changes.announce(build.id)

    async def waiting(self) -> Sequence[Build]:
        """Return the builds that nobody has dispatched, or whose dispatcher is gone."""
        stale = datetime.now(UTC) - timedelta(seconds=self._settings.claim_seconds)
        return await self._builds.queued(claimed_before=stale)

    async def _find_or_start(self, build: Build) -> None:
        branch = await self._contents.default_branch()
        if build.claimed_at is not None and await self._find(build, branch):
            return
        if build.claims >= _MOST_CLAIMS:
            await self._give_up(
                build,
                f"no run was seen after {build.claims} tries to start one; does run-name of "
                f"{self._settings.workflow} still carry the build id?",
            )
            return
        started = await self._runs.dispatch(branch, _inputs(build))
        if started is not None:
            await self._builds.dispatched(build.id, started.id, started.url)
            log.info("build %s: run %d started for %s", build.id, started.id, build.target.package)

    async def _find(self, build: Build, branch: str) -> bool:
        """Look for the run that an earlier try may have started."""
        since, until = build.created_at - _CLOCK_SKEW, datetime.now(UTC) + _CLOCK_SKEW
        for run in await self._runs.titled(build.id, branch, since, until):
            if is_titled_for(run, build) and distrust(run, self._settings, branch) is None:
                await self._builds.dispatched(build.id, run.id, run.url)
                return True
        return False

    async def _give_up(self, build: Build, reason: str) -> None:
        log.error("build %s: %s", build.id, reason)
        await self._builds.failed(build.id, reason)
        self._changes.announce(build.id)


def _inputs(build: Build) -> dict[str, str]:
    return kernel_fields(build.target.kernel) | {
        "driver_version": build.target.driver.version,
        "build_id": build.id,
    }
