"""From a run to a package: what a run of the build workflow means for its build."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.build import Build, Package, Phase
from kmodbot.bot.trust import distrust, is_titled_for
from kmodbot.kernels import parse_run_title

if TYPE_CHECKING:
    from kmodbot.bot.changes import Changes
    from kmodbot.bot.github.contents import Contents
    from kmodbot.bot.github.runs import Runs, WorkflowRun
    from kmodbot.bot.packages import PackageIndex
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

log = logging.getLogger(__name__)


class Completion:
    """Brings builds up to date with their runs. Seeing a run twice changes nothing."""

    def __init__(
        self,
        settings: Settings,
        builds: Builds,
        index: PackageIndex,
        runs: Runs,
        contents: Contents,
        changes: Changes,
    ) -> None:
        self._settings = settings
        self._builds = builds
        self._index = index
        self._runs = runs
        self._contents = contents
        self._changes = changes

    async def seen(self, run_id: int, action: str) -> Build | None:
        """Take note of what a webhook says of a run; return the build, if any.

        That a run has started is taken from the webhook; that it has ended is asked of GitHub.
        """
        build = await self._builds.of_run(run_id)
        if build is None or action == "completed":
            return await self.look_at(run_id)
        if action == "in_progress":
            await self._builds.building(build.id)
            self._changes.announce(build.id)
        return build

    async def look_at(self, run_id: int) -> Build | None:
        """Ask GitHub for a run and bring its build up to date; return the build, if any.

        What a webhook said of the run is not believed: it may be old, or repeated.
        """
        run = await self._runs.get(run_id)
        build = await self._builds.of_run(run_id)
        if run is None:
            if build is not None and self._is_older(build.claimed_at, self._settings.lag_seconds):
                await self._fail(build, "its run was deleted")
            return build
        branch = await self._contents.default_branch()
        reason = distrust(run, self._settings, branch)
        build = build or (await self._adopt(run) if reason is None else None)
        if build is None or build.phase is Phase.DONE:
            return build
        if reason is not None:
            await self._fail(build, f"its run is not believed: {reason}")
        else:
            await self._apply(build, run)
        return await self._builds.get(build.id)

    async def _adopt(self, run: WorkflowRun) -> Build | None:
        """Find the build of a run whose dispatch was never answered."""
        title = parse_run_title(run.title)
        build = await self._builds.get(title.build_id) if title is not None else None
        if build is None or build.phase is not Phase.QUEUED or not is_titled_for(run, build):
            return None
        await self._builds.dispatched(build.id, run.id, run.url)
        return await self._builds.get(build.id)

    async def _apply(self, build: Build, run: WorkflowRun) -> None:
        # A completed run can be without a conclusion for a moment.
        if run.status == "completed" and run.conclusion is not None:
            await self._conclude(build, run)
        elif self._is_older(build.created_at, self._settings.build_seconds):
            await self._fail(
                build, f"its run did not end within {self._settings.build_seconds:.0f} s"
            )
        elif run.status == "in_progress":
            await self._builds.building(build.id)
            self._changes.announce(build.id)

    async def _conclude(self, build: Build, run: WorkflowRun) -> None:
        if run.conclusion != "success":
            await self._fail(
                build, f"its run ended with {run.conclusion}; the log of the run says why"
            )
            return
        # The run's word is not enough: the package counts once the release holds it.
        package = await self._index.find(build.target, max_age=0)
        if package is not None:
            await self._succeed(build, package)
        elif self._is_older(run.updated_at, self._settings.lag_seconds):
            await self._fail(
                build,
                f"its run succeeded, but release {build.target.tag} has no {build.target.package}; "
                "is KMODBOT_DRIVER the name in driver.yml?",
            )

    async def _succeed(self, build: Build, package: Package) -> None:
        if build.phase is Phase.ERROR:
            await self._builds.revived(build, package)
        else:
            await self._builds.done(build.id, package)
        log.info("build %s: %s is published", build.id, package.name)
        self._changes.announce(build.id)

    async def _fail(self, build: Build, reason: str) -> None:
        if await self._builds.failed(build.id, reason):
            log.warning("build %s failed: %s", build.id, reason)
            self._changes.announce(build.id)

    @staticmethod
    def _is_older(moment: datetime | None, seconds: float) -> bool:
        return moment is None or datetime.now(UTC) - moment > timedelta(seconds=seconds)
