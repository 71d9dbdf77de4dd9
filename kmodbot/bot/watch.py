"""The scheduled discovery: which kernels have appeared that no node has asked for yet.

Amazon's livepatch repository forgets, so what was ever seen is kept in the store. Of several
processes one does the work; the others find its lease taken.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.actions import Action
from kmodbot.bot.build import Target
from kmodbot.bot.store.discoveries import Discovery
from kmodbot.kernels import Driver, version_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kmodbot.bot.dispatch import Dispatcher
    from kmodbot.bot.proposals import Proposals
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.builds import Builds
    from kmodbot.bot.store.discoveries import Discoveries
    from kmodbot.bot.store.leases import Leases
    from kmodbot.discovery.al2023 import Discovery as Found

log = logging.getLogger(__name__)

# Long enough to read both repositories over a slow line.
_LEASE = timedelta(minutes=30)
# A process that is started again and again must not ask the repositories each time.
_SECONDS_BEFORE_THE_FIRST = 60


@dataclass(frozen=True)
class Look:
    """What one look at the repositories brought."""

    at: datetime
    kernels: int = 0
    new: tuple[Discovery, ...] = ()
    unknown: tuple[str, ...] = ()
    refused: str | None = None


@dataclass
class Watch:
    """Looks at the repositories on a schedule and acts on what is new."""

    settings: Settings
    builds: Builds
    discoveries: Discoveries
    leases: Leases
    dispatcher: Dispatcher
    proposals: Proposals
    find: Callable[[], Awaitable[Found]]
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    last: Look | None = None

    async def rest_and_look(self) -> None:
        """Sleep until it is time to look again, look, and act."""
        if self.settings.discovery is Action.OFF:
            await asyncio.Event().wait()
        first = self.last is None
        await asyncio.sleep(_SECONDS_BEFORE_THE_FIRST if first else self.settings.discovery_seconds)
        await self.look()

    async def look(self) -> Look | None:
        """Look at the repositories; None when another process does."""
        now = datetime.now(UTC)
        if not await self.leases.take("discovery", self.holder, now, _LEASE):
            return None
        found = await self.find()
        self.last = await self._digest(found, now)
        if self.last.refused is None:
            await self._act()
        return self.last

    async def _digest(self, found: Found, now: datetime) -> Look:
        unknown = tuple(f"{o.url}: {o.reason}" for o in found.outcomes if o.status == "unknown")
        for source in unknown:
            log.warning("discovery: unknown: %s", source)
        seen = [
            Discovery(
                kernel=item.kernel,
                sources=tuple(sorted({sighting.repository for sighting in item.seen_in})),
                buildable=item.devel == "present",
                first_seen_at=now,
                last_seen_at=now,
            )
            for item in found.kernels
        ]
        refused = None if unknown else await self._shrunk(seen)
        if refused is not None:
            log.error("discovery: %s", refused)
            return Look(now, len(seen), unknown=unknown, refused=refused)
        new = await self.discoveries.record(seen)
        for discovery in new:
            log.info("discovery: new kernel %s", discovery.kernel.release)
        return Look(now, len(seen), tuple(new), unknown)

    async def _shrunk(self, seen: Sequence[Discovery]) -> str | None:
        """Say why a list that lost too much is not believed; None when it is.

        The livepatch repository prunes, the core repository does not, so only kernels that core
        named count as lost.
        """
        named = {discovery.kernel for discovery in seen}
        history = [d.kernel for d in await self.discoveries.all() if "core" in d.sources]
        lost = [kernel for kernel in history if kernel not in named]
        share = self.settings.discovery_shrink
        if not history or len(lost) <= share * len(history):
            return None
        return (
            f"the repositories have lost {len(lost)} of {len(history)} kernels, more than "
            f"{share:.0%}; nothing is recorded. If that is right, set KMODBOT_DISCOVERY_SHRINK=1"
        )

    async def _act(self) -> None:
        """Propose or build what is new; what fails is tried at the next look."""
        if self.settings.discovery not in {Action.PROPOSE, Action.BUILD}:
            return
        version = await self._newest_driver_version()
        for discovery in await self.discoveries.unhandled():
            if self.settings.discovery is Action.PROPOSE:
                await self.proposals.propose_kernel(discovery.kernel, _reason(discovery))
            elif version is None:
                log.warning("discovery: no driver version is known yet, so nothing is built")
                return
            else:
                driver = Driver.parse(self.settings.driver, version)
                await self.dispatcher.request(Target(driver, discovery.kernel))
            await self.discoveries.handled(discovery.kernel)

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
