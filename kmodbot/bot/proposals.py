"""Pull requests that add kernels to kernels.json.

Such a branch is always the newest commit of the default branch plus one commit of ours. It is never
merged into but made anew, so that conflicts between two of them cannot arise, and making it twice
changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cachetools import LRUCache

from kmodbot.bot.github.contents import FileChange
from kmodbot.bot.github.errors import GitHubRefused
from kmodbot.bot.github.pulls import PullRequest
from kmodbot.bot.logs import bind
from kmodbot.kernels import KERNELS_JSON, add_kernel, branch_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.build import Build
    from kmodbot.bot.github.contents import Contents, Head
    from kmodbot.bot.github.pulls import Pulls
    from kmodbot.bot.repairs.turns import Turns
    from kmodbot.bot.store.builds import Builds
    from kmodbot.bot.store.discoveries import Discoveries
    from kmodbot.kernels import Kernel

log = logging.getLogger(__name__)

# Whoever has this lease may write branches.
BRANCHES = "branches"
_MOST_REMEMBERED = 4096
# The longest pause after the first refusal, and after any number of them.
_FIRST_PAUSE_SECONDS = 120.0
_LONGEST_PAUSE_SECONDS = 86400.0
_EXPLANATION = """\
Once this is merged, the nightly build makes later driver versions for this kernel too. The branch
is regenerated whenever the base changes; edits to it are lost.
"""


@dataclass(frozen=True)
class _Base:
    """The default branch at one moment, with its kernels.json, None where it has none."""

    branch: str
    head: Head
    document: str | None


class Proposals:
    """Keeps one pull request for each kernel that is built but not listed."""

    def __init__(
        self,
        builds: Builds,
        discoveries: Discoveries,
        contents: Contents,
        pulls: Pulls,
        turns: Turns,
    ) -> None:
        self._builds = builds
        self._discoveries = discoveries
        self._contents = contents
        self._pulls = pulls
        self._turns = turns
        self._lock = asyncio.Lock()
        # What is known to be up to date need not be looked at again.
        self._current: LRUCache[bytes, None] = LRUCache(_MOST_REMEMBERED)

    async def propose(self, build: Build) -> None:
        """Open the pull request that adds the kernel of a finished build, where one is missing.

        What GitHub refuses is due again after a pause that grows, so that a rule of the repository
        is not run into every minute, and others are not kept waiting.

        Raises:
            InvalidInput: kernels.json of the default branch cannot be read.

        """
        async with self._alone():
            latest = await self._builds.get(build.id)
            if latest is None or latest.proposed:
                return
            with bind(build=build.id, run=build.run_id):
                try:
                    await self._propose(build.target.kernel, _reason(build), _forgotten(build))
                except GitHubRefused as error:
                    await self._postpone(latest, error)
                else:
                    await self._builds.proposed(build.id)

    async def _postpone(self, build: Build, error: GitHubRefused) -> None:
        # More doublings than these are longer than the longest anyway.
        doubled = 2 ** min(32, build.proposal_attempts)
        most = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * doubled)
        seconds = random.uniform(0, most)  # noqa: S311  # not a secret
        next_try = await self._builds.now() + timedelta(seconds=seconds)
        await self._builds.proposal_refused(build.id, next_try)
        log.warning(
            "build %s: its kernel cannot be proposed, tried again at %s: %s",
            *(build.id, next_try.isoformat(timespec="seconds"), error),
        )

    async def propose_kernel(self, kernel: Kernel, reason: str) -> None:
        """Open the pull request that adds a kernel; ``reason`` tells its reviewer why.

        Raises:
            InvalidInput: kernels.json of the default branch cannot be read.

        """
        async with self._alone():
            await self._propose(kernel, reason)

    async def regenerate(self) -> None:
        """Put every open branch on top of the default branch as it is now."""
        discovered = [discovery.kernel for discovery in await self._discoveries.all()]
        known = [*await self._builds.kernels(), *discovered]
        kernels = {branch_name(kernel): kernel for kernel in known}
        if not kernels:
            return
        async with self._alone():
            branches = await self._contents.branches("add-kernel/")
            if not kernels.keys() & branches.keys():
                return
            base = await self._base()
        # Those who have something to propose need not wait until all branches are done.
        for branch in sorted(kernels.keys() & branches.keys()):
            document = await self._with_kernel(base, kernels[branch])
            # Of some nothing has changed that they are about, whatever else was pushed.
            if _facts(branches[branch], base, document) not in self._current:
                await self._renew(branch, kernels[branch])

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Keep others from the branches, in this process and elsewhere.

        Two writers on one branch undo each other's work: what the second one puts there may lack
        what the first one has just recorded as proposed. Both the default branch and the builds are
        looked at only after the others have ended.
        """
        async with self._lock, self._turns.alone(BRANCHES):
            yield

    async def _propose(self, kernel: Kernel, reason: str, forgotten: str | None = None) -> None:
        branch, base = branch_name(kernel), await self._base()
        document = await self._with_kernel(base, kernel)
        if document == base.document:
            return
        if forgotten and await self._pulls.was_declined(branch, forgotten):
            log.info("%s is not proposed again: its pull request was closed", kernel.release)
            return
        await self._branch_off(branch, base, document, kernel)
        pull = PullRequest(branch, base.branch, _title(kernel), f"{reason}\n\n{_EXPLANATION}")
        if await self._pulls.create(pull):
            log.info("pull request opened from %s", branch)

    async def _branch_off(self, branch: str, base: _Base, document: str, kernel: Kernel) -> None:
        """Make the branch: usually two calls, and as many as it takes where there is one."""
        if await self._contents.create_branch(branch, base.head.commit):
            change = FileChange(KERNELS_JSON, document, _title(kernel))
            commit = await self._contents.write_file(branch, change, base.document)
            if commit is not None:
                self._remember(commit, base, document)
                return
        if not await self._is_current(branch, base, document):
            await self._move(branch, base, document, kernel)

    async def _renew(self, branch: str, kernel: Kernel) -> None:
        try:
            async with self._alone():
                await self._put_on_top(branch, kernel)
        except GitHubRefused as error:
            # A rule of the repository may protect one branch; the others still count.
            log.warning("branch %s cannot be regenerated: %s", branch, error)

    async def _put_on_top(self, branch: str, kernel: Kernel) -> None:
        base = await self._base()
        document = await self._with_kernel(base, kernel)
        if document == base.document:
            await self._contents.delete_branch(branch)
        elif not await self._is_current(branch, base, document):
            await self._move(branch, base, document, kernel)
            log.info("branch %s is on top of %s again", branch, base.branch)

    async def _base(self) -> _Base:
        branch = await self._contents.default_branch()
        head = await self._contents.head(branch)
        if head is None:
            raise LookupError(f"the default branch {branch} does not exist")
        return _Base(branch, head, await self._contents.file(KERNELS_JSON, head.commit))

    async def _with_kernel(self, base: _Base, kernel: Kernel) -> str:
        document = base.document or ""
        for listed in {kernel, *await self._builds.kernels_like(kernel)}:
            document = add_kernel(document, listed)
        return document

    async def _move(self, branch: str, base: _Base, document: str, kernel: Kernel) -> None:
        """Make the branch the base plus one commit, whatever it was."""
        change = FileChange(KERNELS_JSON, document, _title(kernel))
        commit = await self._contents.commit(base.head, change)
        await self._contents.move_branch(branch, commit)
        self._remember(commit, base, document)

    def _remember(self, commit: str, base: _Base, document: str) -> None:
        self._current[_facts(commit, base, document)] = None

    async def _is_current(self, branch: str, base: _Base, document: str) -> bool:
        head = await self._contents.head(branch)
        is_current = (
            head is not None
            and head.parents == (base.head.commit,)
            and await self._contents.file(KERNELS_JSON, head.commit) == document
        )
        if head is not None and is_current:
            self._remember(head.commit, base, document)
        return is_current


def _facts(commit: str, base: _Base, document: str) -> bytes:
    """Return what it means that a commit adds its kernels to the list as it is."""
    parts = (commit, base.document or "", document)
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _forgotten(build: Build) -> str | None:
    """Return the package of a build that may have been proposed before the store knew it."""
    is_our_own = build.requested_by and build.run_id is not None
    return None if is_our_own else build.target.package


def _title(kernel: Kernel) -> str:
    return f"Add kernel {kernel.release} ({kernel.distribution}, {kernel.architecture})"


def _reason(build: Build) -> str:
    kernel, driver = build.target.kernel, build.target.driver
    package = f"[{build.target.package}]({build.package.url if build.package else ''})"
    run = f", [run]({build.run_url})" if build.run_url else ""
    return (
        f"A node booted `{kernel.release}` and asked for {driver.name}. "
        f"{driver.name} {driver.version} is there for it: {package}{run}."
    )
