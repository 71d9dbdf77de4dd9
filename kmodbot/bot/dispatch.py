"""From a request to a run: what exists is named, what is under way is joined, the rest is started.

The reservation is stored before GitHub is asked for the run, and the run's title carries the build
id, so a bot that stops between the two finds the run again instead of starting a second one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.build import Build, Package, Phase, Target, kernel_fields
from kmodbot.bot.github.errors import (
    GitHubLimited,
    GitHubRefused,
    GitHubUnavailable,
    GitHubUnreachable,
)
from kmodbot.bot.github.runs import CLOCK_SKEW
from kmodbot.bot.logs import bind, note
from kmodbot.bot.trust import distrust, is_titled_for
from kmodbot.kernels import parse_run_title

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kmodbot.bot.changes import Changes
    from kmodbot.bot.github.contents import Contents
    from kmodbot.bot.github.runs import Runs, WorkflowRun
    from kmodbot.bot.packages import PackageIndex
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds

log = logging.getLogger(__name__)

# How many runs may come to exist of a build that none of them names.
_MOST_NAMELESS_RUNS = 3
# Without so many dispatches that were not answered, age alone does not end a build.
_FEWEST_DISPATCHES = 3
_REFUSAL_SECONDS = 300
# What GitHub means by refusing a dispatch.
# https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event
_REMEDIES = {
    403: "the App's installation may not do that: let whoever owns the repository accept app.yml",
    404: "the default branch has no such workflow: commit what kmodbot init writes",
    422: "the workflow does not take what this version sends: let kmodbot init write it anew",
}
_REMEDY = "compare the workflow and the App's permissions with the documentation"


class DispatchFailed(Exception):
    """The run was not started. With ``retry_after`` it will be, later and without being asked."""

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__("the build could not be started")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Outcome:
    """The answer to a request: the package where it exists, else the build that makes it.

    A build that failed a while ago stands for itself: nothing is started for ``retry_after``
    seconds. ``started`` tells whether this request started the build.
    """

    package: Package | None = None
    build: Build | None = None
    started: bool = False
    retry_after: int | None = None


class Dispatcher:
    """Starts each build once. ``behind`` is set when builds wait for their turn."""

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
        self._at_once = asyncio.Lock()
        self._began_at = datetime.now(UTC)
        # Whether the runs that the store did not know when this process began were taken in.
        self.has_caught_up = False
        # Ends well before another process may take the claim over.
        self._longest_dispatch = settings.claim_seconds * 2 / 3
        self.behind = asyncio.Event()

    async def request(
        self,
        target: Target,
        *,
        caller: str = "",
        action: str = "",
        force: bool = False,
        look: Callable[[], None] | None = None,
        admit: Callable[[], Awaitable[None]] | None = None,
    ) -> Outcome:
        """Answer a node that wants the package of ``target``.

        A build that comes of it is in the audit trail as an ``action`` of ``caller``, where one is
        given. ``look`` is called before GitHub's API is asked about a package that is not known,
        and ``admit`` is awaited before something new is reserved; they raise what refuses it. With
        ``force`` a build that failed lately does not keep a new one from being started.

        Raises:
            GitHubUnavailable: it is not known whether the package exists; nothing was reserved.
            DispatchFailed: the build is reserved, but its run has not been started.

        """
        known = await self._builds.of_target(target)
        if known is not None and known.phase is not Phase.DONE:
            return Outcome(build=known)
        package = await self._find_package(target, known, look)
        if package is not None:
            if known is None:
                await self._adopt(target, package, caller, action)
            return Outcome(package=package)
        remembered = None if force else await self._remembered_failure(target)
        if remembered is not None:
            return remembered
        if admit is not None:
            await admit()
        return await self._reserve(target, known, caller, action)

    async def _adopt(self, target: Target, package: Package, caller: str, action: str) -> None:
        now = datetime.now(UTC)
        build = Build(
            *(uuid.uuid4().hex, target, Phase.DONE, now),
            requested_by=caller,
            package=package,
            finished_at=now,
        )
        await self._builds.adopt(build, action=action)

    async def _find_package(
        self, target: Target, known: Build | None, look: Callable[[], None] | None
    ) -> Package | None:
        if known is None or known.package is None:
            if look is not None and await self._index.must_ask(target):
                look()
            return await self._index.discover(target)
        try:
            package = await self._index.confirm(target, known.package)
        except GitHubUnavailable:
            # It was published, and packages are not withdrawn while GitHub is away.
            return known.package
        if package is not None and package != known.package:
            with bind(build=known.id):
                log.warning("package %s was replaced by somebody", package.name)
            await self._builds.replaced(known.id, package)
        return package

    async def _remembered_failure(self, target: Target) -> Outcome | None:
        """Return the failure that still stands for its target, so that no boot repeats it."""
        now, seconds = datetime.now(UTC), self._settings.failure_seconds
        build = await self._builds.recent_failure(target, since=now - timedelta(seconds=seconds))
        if build is None or build.failed_at is None:
            return None
        if build.run_id is None:
            # It never ran, so it was the repository that was not ready, and somebody may be on it.
            seconds = min(seconds, _REFUSAL_SECONDS)
        left = (build.failed_at - now).total_seconds() + seconds
        return Outcome(build=build, retry_after=math.ceil(left)) if left > 0 else None

    async def _reserve(
        self, target: Target, vanished: Build | None, caller: str, action: str
    ) -> Outcome:
        if vanished is not None:
            with bind(build=vanished.id):
                log.warning("package %s is gone from its release; building again", target.package)
        now, build_id = datetime.now(UTC), uuid.uuid4().hex
        build, created = await self._builds.reserve(
            build_id, target, now, caller, action=action, vanished=vanished
        )
        if not created:
            return Outcome(package=build.package, build=build)
        if await self._runs.must_wait() or self._at_once.locked():
            # Nobody is kept waiting for the pause that GitHub wants between writes.
            self.behind.set()
        else:
            async with self._at_once:
                await self.dispatch(build)
        return Outcome(build=build, started=True)

    async def dispatch(self, build: Build) -> None:
        """Start the run of a queued build, or find the one that an earlier try started.

        Raises:
            DispatchFailed: neither worked.

        """
        # A claim that waited for its turn would look like one whose dispatch got no answer.
        async with self._runs.turn(lambda: self._is_unclaimed(build)) as is_ours:
            if is_ours and await self._builds.claim(build, await self._builds.now()):
                with bind(build=build.id):
                    await self._dispatch_claimed(build)

    async def _is_unclaimed(self, build: Build) -> bool:
        latest = await self._builds.get(build.id)
        return latest is not None and latest.claimed_at == build.claimed_at

    async def _dispatch_claimed(self, build: Build) -> None:
        try:
            async with asyncio.timeout(self._longest_dispatch):
                await self._find_or_start(build)
        except (GitHubUnavailable, TimeoutError) as error:
            log.warning("build %s: dispatch postponed: %s", build.id, error or "it took too long")
            retry_after = error.retry_after if isinstance(error, GitHubUnavailable) else None
            raise DispatchFailed(retry_after or 30) from error
        except GitHubRefused as error:
            # Nodes get to see the reason; GitHub's own words are for the operator.
            log.error("build %s: GitHub refused: %s", build.id, error)  # noqa: TRY400
            await self._give_up(
                build,
                f"GitHub refused to start {self._settings.workflow} ({error.status}): "
                f"{_REMEDIES.get(error.status, _REMEDY)}",
            )
            raise DispatchFailed from error
        self._changes.announce(build.id)

    async def waiting(self) -> Sequence[Build]:
        """Return the builds that nobody has dispatched, or whose dispatch was not answered.

        The run of a dispatch that may have arrived can be missing from GitHub's lists for a while,
        so until that is over its build is left alone. The dispatch may have arrived late, too.
        """
        now, settings = await self._builds.now(), self._settings
        lag = settings.lag_seconds + self._longest_dispatch
        return await self._builds.queued(
            claimed_before=now - timedelta(seconds=settings.claim_seconds),
            dispatched_before=now - timedelta(seconds=lag),
        )

    async def _find_or_start(self, build: Build) -> None:
        try:
            branch = await self._contents.default_branch()
            if self._may_have_a_run(build) and await self._is_settled(build, branch):
                return
            await self._runs.get_ready()
        except BaseException:
            # Nothing was dispatched, so an outage of any length uses up no try.
            await self._builds.unclaim(build)
            raise
        try:
            started = await self._runs.dispatch(branch, _inputs(build))
        except (GitHubLimited, GitHubUnreachable):
            await self._builds.unclaim(build)
            raise
        if started is not None:
            note(run=started.id)
            await self._builds.dispatched(build.id, started.id, started.url)
            log.info("build %s: run %d started for %s", build.id, started.id, build.target.package)

    def _may_have_a_run(self, build: Build) -> bool:
        """Tell whether GitHub may have a run of a build that is not known to have one.

        A build that is older than this process may come from a backup that is older than its run,
        until the first look at all runs is over.
        """
        may_be_of_a_backup = build.created_at < self._began_at and not self.has_caught_up
        return build.claims > 0 or may_be_of_a_backup

    async def _is_settled(self, build: Build, branch: str) -> bool:
        """Find the run that an earlier dispatch started, or give up; False to dispatch again."""
        since, until = build.created_at - CLOCK_SKEW, datetime.now(UTC) + CLOCK_SKEW
        nameless = 0
        async with aclosing(self._runs.listed(since, until)) as listed:
            async for run in listed:
                if distrust(run, self._settings, branch) is not None:
                    continue
                if is_titled_for(run, build):
                    note(run=run.id)
                    await self._builds.dispatched(build.id, run.id, run.url)
                    log.info("build %s: run %d, started earlier, is found", build.id, run.id)
                    return True
                nameless += await self._may_carry_out(run)
        reason = self._reason_to_give_up(build, nameless)
        if reason is not None:
            await self._give_up(build, reason)
        return reason is not None

    async def _may_carry_out(self, run: WorkflowRun) -> bool:
        """Tell whether a run may be of any build, as far as its title and the store say."""
        return parse_run_title(run.title) is None and await self._builds.of_run(run.id) is None

    def _reason_to_give_up(self, build: Build, nameless: int) -> str | None:
        workflow, seconds = self._settings.workflow, self._settings.build_seconds
        if nameless >= _MOST_NAMELESS_RUNS:
            return (
                f"{nameless} runs of {workflow} do not say which build they are of; does run-name "
                f"of {workflow} still carry the build id?"
            )
        is_old = datetime.now(UTC) - build.created_at > timedelta(seconds=seconds)
        if is_old and build.claims >= _FEWEST_DISPATCHES:
            return (
                f"no run was seen after {build.claims} tries to start one in more than "
                f"{seconds:.0f} s"
            )
        return None

    async def _give_up(self, build: Build, reason: str) -> None:
        log.error("build %s: %s", build.id, reason)
        await self._builds.failed(build.id, reason)
        self._changes.announce(build.id)


def _inputs(build: Build) -> dict[str, str]:
    return kernel_fields(build.target.kernel) | {
        "driver_version": build.target.driver.version,
        "build_id": build.id,
    }
