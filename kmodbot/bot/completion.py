"""From a run to a package: what a run of the build workflow means for its build."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.build import Build, Package, Phase
from kmodbot.bot.delivery import NotYet
from kmodbot.bot.github.errors import GitHubError, GitHubLimited
from kmodbot.bot.github.jobs import failed_job
from kmodbot.bot.logs import note
from kmodbot.bot.trust import distrust
from kmodbot.kernels import parse_run_title

if TYPE_CHECKING:
    from kmodbot.bot.adoption import Adoption
    from kmodbot.bot.changes import Changes
    from kmodbot.bot.events import RunChanged
    from kmodbot.bot.github.contents import Contents
    from kmodbot.bot.github.runs import Runs, WorkflowRun
    from kmodbot.bot.packages import PackageIndex
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

log = logging.getLogger(__name__)

_CANCELLED = "cancelled"
# How long the answer to a dispatch may be on its way before its run is asked for.
_ANSWER_SECONDS = 5.0
# How long it is tried to cancel a run.
_CANCEL_SECONDS = 600.0


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
        adoption: Adoption,
    ) -> None:
        self._settings = settings
        self._builds = builds
        self._index = index
        self._runs = runs
        self._contents = contents
        self._changes = changes
        self._adoption = adoption

    async def seen(self, event: RunChanged) -> Build | None:
        """Take note of what a webhook says of a run; return the build, if any.

        That a run has started is taken from the webhook; that it has ended is asked of GitHub.

        Raises:
            NotYet: the run is about to be known, or has ended and GitHub does not show it yet.

        """
        build = await self._seen(event)
        if build is None or event.action != "completed" or build.phase.is_final:
            return build
        if event.attempt >= build.run_attempt:
            raise NotYet(f"the end of run {event.run_id} cannot be seen yet")
        return build

    async def _seen(self, event: RunChanged) -> Build | None:
        build = await self._builds.of_run(event.run_id)
        if build is None:
            return await self._seen_first(event)
        note(build=build.id)
        if event.attempt < build.run_attempt or build.phase is Phase.DONE:
            return build
        if event.action == "completed":
            await self._ended(build, event)
        else:
            await self._started(build, event)
        return await self._builds.get(build.id)

    async def look_at(self, run_id: int, since: float | None = None) -> Build | None:
        """Ask GitHub for a run and bring its build up to date; return the build, if any.

        What a webhook said of the run is not believed: it may be old, or repeated.
        """
        run = await self._runs.get(run_id)
        if run is not None:
            return await self.compare(run, since)
        build = await self._builds.of_run(run_id)
        if build is not None and self._is_older(build.claimed_at, self._settings.lag_seconds):
            note(build=build.id)
            await self._fail(build, "its run was deleted")
        return build

    async def compare(self, run: WorkflowRun, since: float | None = None) -> Build | None:
        """Bring the build of a run up to date with what GitHub has just said of the run.

        Lists of packages that were read ``since`` this moment of ``time.monotonic`` are used again.
        """
        reason = distrust(run, self._settings, await self._contents.default_branch())
        build = await self._builds.of_run(run.id)
        if build is None and reason is None:
            build = await self._adoption.adopt(run, since)
        if build is not None:
            note(build=build.id)
        if build is None or build.phase is Phase.DONE or run.attempt < build.run_attempt:
            return build
        if reason is not None:
            await self._fail(build, f"its run is not believed: {reason}")
        else:
            await self._apply(build, run, since)
        return await self._builds.get(build.id)

    async def lose(self, build: Build) -> None:
        """End a build that is said to be under way, though no run is known to carry it out."""
        await self._fail(build, "its run is not known any more")

    async def _seen_first(self, event: RunChanged) -> Build | None:
        """Look at a run that is not known, unless it is about to be: its dispatch is under way."""
        if event.action == "completed":
            return await self.look_at(event.run_id)
        title = parse_run_title(event.title)
        if title is None:
            return None
        build = await self._builds.get(title.build_id)
        if build is not None and build.phase is Phase.QUEUED:
            if not self._is_older(build.claimed_at, _ANSWER_SECONDS):
                raise NotYet(f"the answer to the dispatch of build {build.id} is on its way")
        elif build is not None and (build.phase is not Phase.ERROR or build.run_id is not None):
            return None
        return await self.look_at(event.run_id)

    async def _started(self, build: Build, event: RunChanged) -> None:
        build = await self._revived(build, event.attempt)
        if event.action == "in_progress" and build.phase is Phase.DISPATCHED:
            await self._builds.building(build.id)
            self._changes.announce(build.id)

    async def _ended(self, build: Build, event: RunChanged) -> None:
        """Find out how a run ended, looking first where the webhook points."""
        asked_at = time.monotonic()
        # News come in any order: that this attempt has begun may still be on its way.
        build = await self._revived(build, event.attempt)
        if event.conclusion == "success":
            package = await self._index.find(build.target, max_age=0)
            if package is not None:
                await self._succeed(build, package)
                return
        elif build.phase is Phase.ERROR or (
            event.conclusion not in {None, _CANCELLED}
            and await self._has_failed(build, event.attempt)
        ):
            return
        await self.look_at(event.run_id, asked_at)

    async def _apply(self, build: Build, run: WorkflowRun, since: float | None) -> None:
        build = await self._revived(build, run.attempt)
        # A completed run can be without a conclusion for a moment.
        if run.status == "completed" and run.conclusion is not None:
            await self._conclude(build, run, since)
        elif build.phase is Phase.ERROR:
            return
        elif self._is_older(self._began(build, run), self._settings.build_seconds):
            await self._time_out(build, run)
        elif run.status == "in_progress" and build.phase is Phase.DISPATCHED:
            await self._builds.building(build.id)
            self._changes.announce(build.id)

    async def _conclude(self, build: Build, run: WorkflowRun, since: float | None) -> None:
        if run.conclusion == _CANCELLED:
            await self._conclude_cancelled(build, run)
            return
        if run.conclusion != "success":
            if build.phase is not Phase.ERROR and not await self._has_failed(build, run.attempt):
                await self._fail(build, f"its run ended with {run.conclusion}: {run.url}")
            return
        # The run's word is not enough: the package counts once the release holds it.
        package = await self._index.find_since(build.target, since)
        if package is not None:
            await self._succeed(build, package)
        elif self._is_older(run.updated_at, self._settings.lag_seconds):
            await self._fail(
                build,
                f"its run succeeded, but release {build.target.tag} has no {build.target.package}; "
                f"is KMODBOT_DRIVER the name in driver.yml? {run.url}",
            )

    async def _conclude_cancelled(self, build: Build, run: WorkflowRun) -> None:
        """Take the package of the run that made this one superfluous, if there is one.

        Of the runs for one package that wait for each other GitHub keeps only the newest.
        https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
        """
        package = await self._index.find(build.target, max_age=0)
        if package is not None:
            await self._succeed(build, package)
        elif build.phase is not Phase.ERROR and not await self._has_failed(
            build, run.attempt, in_a_step=True
        ):
            # Nothing of it ran, which says nothing about the kernel: the next node that asks starts
            # another build.
            await self._fail(build, f"its run was cancelled: {run.url}", remembered=False)

    async def _has_failed(self, build: Build, attempt: int, *, in_a_step: bool = False) -> bool:
        """Record the job that failed, where one did in this attempt, or only a step of one."""
        if build.run_id is None:
            return False
        job = failed_job(await self._runs.jobs(build.run_id), attempt)
        if job is None or (in_a_step and job.bad_step is None):
            return False
        where = f'step "{job.bad_step}" of job "{job.name}"' if job.bad_step else f'"{job.name}"'
        await self._fail(build, f"the run failed in {where}: {build.run_url}")
        return True

    async def _time_out(self, build: Build, run: WorkflowRun) -> None:
        # Ended first, so that it does not publish later what nobody waits for. Should the build not
        # be recorded as failed because we die here, it is when the cancelled run is seen.
        outcome = "was cancelled"
        try:
            await self._runs.cancel(run.id)
        except GitHubLimited:
            raise
        except GitHubError as error:
            log.warning("run %d cannot be cancelled: %s", run.id, error)
            longest = self._settings.build_seconds + _CANCEL_SECONDS
            if not self._is_older(self._began(build, run), longest):
                return
            outcome = "cannot be cancelled"
        await self._fail(
            build,
            f"timed out: its run did not end within {self._settings.build_seconds:.0f} s and "
            f"{outcome}: {run.url}",
        )

    async def _revived(self, build: Build, attempt: int) -> Build:
        """Return a build, in progress again if its run is: a re-run keeps the id."""
        is_news = build.phase is Phase.ERROR and attempt > build.run_attempt
        if not is_news or not await self._builds.rerun(build, attempt):
            return build
        log.info("build %s: attempt %d of its run has begun", build.id, attempt)
        self._changes.announce(build.id)
        return await self._builds.get(build.id) or build

    async def _succeed(self, build: Build, package: Package) -> None:
        if build.phase is Phase.ERROR:
            await self._builds.revived(build, package)
        else:
            await self._builds.done(build.id, package)
        log.info("build %s: %s is published", build.id, package.name)
        self._changes.announce(build.id)

    async def _fail(self, build: Build, reason: str, *, remembered: bool = True) -> None:
        if await self._builds.failed(build.id, reason, remembered=remembered):
            log.warning("build %s failed: %s", build.id, reason)
            self._changes.announce(build.id)

    @staticmethod
    def _began(build: Build, run: WorkflowRun) -> datetime:
        # An outage may have kept a build from being dispatched for long.
        first = max(build.created_at, run.created_at)
        return first if run.attempt == 1 else run.started_at

    @staticmethod
    def _is_older(moment: datetime | None, seconds: float) -> bool:
        return moment is None or datetime.now(UTC) - moment > timedelta(seconds=seconds)
