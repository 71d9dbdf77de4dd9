"""From a run to a package: what a run of the build workflow means for its build."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kmodbot.bot.build import Build, Phase
from kmodbot.kernels import parse_run_title

if TYPE_CHECKING:
    from kmodbot.bot.changes import Changes
    from kmodbot.bot.github.contents import Contents
    from kmodbot.bot.github.runs import Runs, WorkflowRun
    from kmodbot.bot.packages import PackageIndex
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

log = logging.getLogger(__name__)


def distrust(run: WorkflowRun, settings: Settings, default_branch: str) -> str | None:
    """Say why a run proves nothing about a build, or None when it may be believed.

    Whoever can push a branch can run a workflow of any name there, so only the build workflow of
    the default branch of this very repository counts.
    https://docs.github.com/en/actions/reference/security/secure-use
    """
    checks = (
        (run.repository == settings.repository, f"it belongs to {run.repository}"),
        (run.head_repository == settings.repository, f"its code is {run.head_repository}'s"),
        (run.path == settings.workflow_path, f"it is of workflow {run.path}"),
        (run.event == "workflow_dispatch", f"it was started by {run.event}"),
        (run.head_branch == default_branch, f"it ran on branch {run.head_branch}"),
    )
    return next((reason for holds, reason in checks if not holds), None)


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
            if build is not None:
                await self._fail(build, "the run was deleted before it had ended")
            return build
        build = build or await self._adopt(run)
        if build is None or build.phase.status != "in_progress":
            return build
        reason = distrust(run, self._settings, await self._contents.default_branch())
        if reason is not None:
            log.warning("run %d is ignored: %s", run.id, reason)
            return None
        await self._apply(build, run)
        return await self._builds.get(build.id)

    async def _adopt(self, run: WorkflowRun) -> Build | None:
        """Find the build of a run whose dispatch was never answered."""
        title = parse_run_title(run.title)
        if title is None:
            return None
        build = await self._builds.get(title.build_id)
        if build is None or build.phase is not Phase.QUEUED:
            return None
        if (title.kernel, title.driver_version) != (
            build.target.kernel,
            build.target.driver.version,
        ):
            return None
        if distrust(run, self._settings, await self._contents.default_branch()) is not None:
            return None
        await self._builds.dispatched(build.id, run.id, run.url)
        return await self._builds.get(build.id)

    async def _apply(self, build: Build, run: WorkflowRun) -> None:
        if run.status == "completed":
            await self._conclude(build, run)
        elif run.status == "in_progress":
            await self._builds.building(build.id)
        self._changes.announce(build.id)

    async def _conclude(self, build: Build, run: WorkflowRun) -> None:
        if run.conclusion != "success":
            await self._fail(build, f"the run ended with {run.conclusion}; its log says why")
            return
        # The run's word is not enough: the package counts once the release holds it.
        package = await self._index.find(build.target, max_age=0)
        if package is None:
            await self._fail(build, f"the run succeeded, but {build.target.package} was not found")
            return
        await self._builds.done(build.id, package)
        log.info("build %s: %s is published", build.id, package.name)

    async def _fail(self, build: Build, reason: str) -> None:
        log.warning("build %s failed: %s", build.id, reason)
        await self._builds.failed(build.id, reason)
        self._changes.announce(build.id)
