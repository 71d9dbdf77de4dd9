"""The scheduled discovery: which kernels have appeared that no node has asked for yet.

Amazon's livepatch repository forgets, so what was ever seen is kept in the store. Of several
processes one at a time does the work, for as long as it takes.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.actions import Action
from kmodbot.bot.build import Target
from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.github.errors import GitHubRefused
from kmodbot.bot.store.discoveries import Discovery
from kmodbot.kernels import Driver, version_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kmodbot.bot.dispatch import Dispatcher
    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.repairs.turns import Turns
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds
    from kmodbot.bot.store.discoveries import Discoveries
    from kmodbot.discovery.al2023 import Discovery as Found

log = logging.getLogger(__name__)

WORK = "discovery"
# How often it is seen whether a look is due; one that failed is tried again then.
SECONDS_BETWEEN_TURNS = 60.0
_SECONDS_AFTER_A_BAD_LOOK = 3600
# A proposal takes four requests that create something; GitHub allows 500 an hour.
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
_ACTIONS_A_MINUTE = 2


@dataclass(frozen=True)
class Look:
    """What one look at the repositories brought.

    ``kernels`` is their number, ``new`` the kernel releases never seen before, ``unknown`` the
    sources that could not be read, ``refused`` why the list was not believed.
    """

    at: datetime
    kernels: int = 0
    new: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    refused: str | None = None

    def to_json(self) -> str:
        """Return the look as it is stored and shown."""
        return json.dumps(asdict(self) | {"at": self.at.isoformat()})

    @classmethod
    def from_json(cls, text: str) -> Look:
        """Return a look that was stored."""
        data = json.loads(text)
        return cls(
            at=datetime.fromisoformat(data["at"]),
            kernels=data["kernels"],
            new=tuple(data["new"]),
            unknown=tuple(data["unknown"]),
            refused=data["refused"],
        )


@dataclass
class Watch:
    """Looks at the repositories on a schedule and acts on what is new."""

    settings: Settings
    builds: Builds
    discoveries: Discoveries
    turns: Turns
    dispatcher: Dispatcher
    proposals: Proposals
    find: Callable[[], Awaitable[Found]]

    async def look_when_due(self) -> None:
        """Look if no process has done so lately, and act on a few of the kernels that are new.

        Raises:
            LeaseLost: another process may have begun with it, so this one has stopped.

        """
        if self.settings.discovery is Action.OFF:
            return
        every = min(SECONDS_BETWEEN_TURNS, self.settings.discovery_seconds)
        async with self.turns.turn(WORK, every) as is_ours:
            if is_ours:
                await self._look_when_due()
                await self._act()

    async def last(self) -> Look | None:
        """Return what the last look brought, by whichever process."""
        result = await self.turns.result(WORK)
        return None if result is None else Look.from_json(result)

    async def _look_when_due(self) -> None:
        now, last = await self.turns.now(), await self.last()
        if last is None or self._next(last) <= now:
            look = await self._digest(await self.find(), now)
            await self.turns.record(WORK, look.to_json())

    def _next(self, last: Look) -> datetime:
        """Return when the next look is due."""
        period = self.settings.discovery_seconds
        # What could not be read is tried again soon.
        again = min(period, _SECONDS_AFTER_A_BAD_LOOK) if last.unknown else period
        return last.at + timedelta(seconds=again)

    async def _digest(self, found: Found, now: datetime) -> Look:
        unknown = tuple(f"{o.url}: {o.reason}" for o in found.outcomes if o.status == "unknown")
        for source in unknown:
            log.warning("discovery: unknown: %s", source)
        history = await self.discoveries.all()
        # What was there before core was read for the first time is not new, nor is what appeared
        # while the bot only reported.
        first = not any("core" in discovery.sources for discovery in history)
        old = first or self.settings.discovery is Action.REPORT
        seen = [
            Discovery(
                kernel=item.kernel,
                sources=tuple(sorted({sighting.repository for sighting in item.seen_in})),
                buildable=item.devel == "present",
                first_seen_at=now,
                last_seen_at=now,
                handled=old,
            )
            for item in found.kernels
        ]
        refused = None if unknown else self._shrunk(history, seen)
        if refused is not None:
            log.error("discovery: %s", refused)
            return Look(now, len(seen), unknown=unknown, refused=refused)
        new = [discovery.kernel.release for discovery in await self.discoveries.record(seen)]
        for release in new if history else ():
            log.info("discovery: new kernel %s", release)
        return Look(now, len(seen), tuple(new), unknown)

    def _shrunk(self, before: Sequence[Discovery], seen: Sequence[Discovery]) -> str | None:
        """Say why a list that lost too much is not believed; None when it is.

        The livepatch repository prunes, the core repository does not, so only kernels that core
        named count as lost.
        """
        named = {discovery.kernel for discovery in seen}
        history = [discovery.kernel for discovery in before if "core" in discovery.sources]
        lost = [kernel for kernel in history if kernel not in named]
        share = self.settings.discovery_shrink
        if not history or len(lost) <= share * len(history):
            return None
        return (
            f"the repositories have lost {len(lost)} of {len(history)} kernels, more than "
            f"{share:.0%}; nothing is recorded. If that is right, set KMODBOT_DISCOVERY_SHRINK=1"
        )

    async def _act(self) -> None:
        """Propose or build a few of the kernels that are new; the others follow a minute later."""
        act = {Action.PROPOSE: self._propose, Action.BUILD: self._build}.get(
            self.settings.discovery
        )
        if act is None:
            return
        for discovery in (await self.discoveries.unhandled())[:_ACTIONS_A_MINUTE]:
            try:
                done = await act(discovery)
            except (GitHubRefused, DispatchFailed) as error:
                # Another kernel may fare better; this one is not tried for ever.
                log.error("discovery: %s: %s", discovery.kernel.release, error)  # noqa: TRY400
                done = True
            if done:
                await self.discoveries.handled(discovery.kernel)

    async def _propose(self, discovery: Discovery) -> bool:
        await self.proposals.propose_kernel(discovery.kernel, _reason(discovery))
        return True

    async def _build(self, discovery: Discovery) -> bool:
        version = await self._newest_driver_version()
        if version is None:
            # The kernel waits until a node has asked for some driver version.
            return False
        driver = Driver.parse(self.settings.driver, version)
        await self.dispatcher.request(Target(driver, discovery.kernel), caller="discovery")
        return True

    async def _newest_driver_version(self) -> str | None:
        """Return the newest version that a node has asked for."""
        versions = await self.builds.driver_versions()
        return max(versions, key=version_key, default=None)


def _reason(discovery: Discovery) -> str:
    sources = " and ".join(discovery.sources)
    return (
        f"`{discovery.kernel.release}` appeared in Amazon's {sources} repository. "
        "No node has asked for it yet."
    )
