"""Runs that the store does not know: started by hand, or by a bot that lost its answer or store."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kmodbot.bot.build import Build, Phase, Target
from kmodbot.bot.logs import note
from kmodbot.bot.trust import is_titled_for
from kmodbot.kernels import Driver, parse_run_title

if TYPE_CHECKING:
    from kmodbot.bot.github.runs import WorkflowRun
    from kmodbot.bot.packages import PackageIndex
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds
    from kmodbot.kernels import RunTitle

log = logging.getLogger(__name__)


class Adoption:
    """Makes a run that is believed the run of a build."""

    def __init__(self, settings: Settings, builds: Builds, index: PackageIndex) -> None:
        self._settings = settings
        self._builds = builds
        self._index = index

    async def adopt(self, run: WorkflowRun, since: float | None) -> Build | None:
        """Return the build of a run that no build is known to have; None when there is none."""
        title = parse_run_title(run.title)
        if title is None:
            return None
        build = await self._builds.get(title.build_id)
        if build is None:
            return await self._take_in(run, title, since)
        if not is_titled_for(run, build):
            return None
        if build.phase is Phase.QUEUED:
            # The answer to its dispatch was lost.
            await self._builds.dispatched(build.id, run.id, run.url)
            note(build=build.id)
            log.info("build %s: run %d, started earlier, is found", build.id, run.id)
        elif build.phase is Phase.ERROR and build.run_id is None:
            # It was given up, and its run came about all the same.
            await self._builds.found(build, run.id, run.url, run.attempt)
        else:
            return None
        return await self._builds.of_run(run.id)

    async def _take_in(
        self, run: WorkflowRun, title: RunTitle, since: float | None
    ) -> Build | None:
        """Make a build for a run: those who want its package wait for it, or already have it."""
        target = Target(Driver.parse(self._settings.driver, title.driver_version), title.kernel)
        if await self._builds.of_target(target) is not None:
            return None
        build = Build(
            # Every run that is started by hand has the same build id.
            id=uuid.uuid4().hex if title.build_id == "manual" else title.build_id,
            target=target,
            phase=Phase.DISPATCHED,
            created_at=run.created_at,
            claimed_at=run.created_at,
            claims=1,
            run_id=run.id,
            run_url=run.url,
            run_attempt=run.attempt,
        )
        if run.status != "completed":
            await self._builds.take_in(build)
        elif run.conclusion == "success":
            package = await self._index.find_since(target, since)
            if package is None:
                return None
            await self._builds.take_in(build, package, datetime.now(UTC))
        else:
            return None
        taken = await self._builds.of_run(run.id)
        if taken is not None:
            note(build=taken.id)
        log.info("run %d, which the store did not know, builds %s", run.id, target.package)
        return taken
