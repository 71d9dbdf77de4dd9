"""Pull requests that add kernels to kernels.json.

Such a branch is always the newest commit of the default branch plus one commit of ours. It is never
merged into but made anew, so that conflicts between two of them cannot arise, and making it twice
changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kmodbot.bot.github.contents import FileChange
from kmodbot.bot.github.pulls import PullRequest
from kmodbot.kernels import KERNELS_JSON, add_kernel, branch_name

if TYPE_CHECKING:
    from kmodbot.bot.build import Build
    from kmodbot.bot.github.contents import Contents, Head
    from kmodbot.bot.github.pulls import Pulls
    from kmodbot.bot.store.builds import Builds
    from kmodbot.kernels import Kernel

log = logging.getLogger(__name__)


class Proposals:
    """Keeps one pull request for each kernel that is built but not listed."""

    def __init__(self, builds: Builds, contents: Contents, pulls: Pulls) -> None:
        self._builds = builds
        self._contents = contents
        self._pulls = pulls
        # Two writers on one branch would only undo each other's work.
        self._lock = asyncio.Lock()

    async def propose(self, build: Build) -> None:
        """Open the pull request that adds the kernel of a finished build, where one is missing.

        Raises:
            InvalidInput: kernels.json of the default branch cannot be read.

        """
        async with self._lock:
            branch, kernel = branch_name(build.target.kernel), build.target.kernel
            base = await self._contents.default_branch()
            if await self._write_branch(base, branch, kernel):
                opened = await self._pulls.create(_pull_request(branch, base, build))
                if opened:
                    log.info("build %s: pull request opened from %s", build.id, branch)
            await self._builds.proposed(build.id)

    async def regenerate(self) -> None:
        """Put every open branch on top of the default branch as it is now."""
        kernels = {branch_name(kernel): kernel for kernel in await self._builds.kernels()}
        base = await self._contents.default_branch()
        for branch in await self._contents.branches("add-kernel/"):
            kernel = kernels.get(branch)
            if kernel is None:
                continue
            async with self._lock:
                if not await self._write_branch(base, branch, kernel):
                    await self._contents.delete_branch(branch)

    async def _write_branch(self, base: str, branch: str, kernel: Kernel) -> bool:
        """Make ``branch`` the base plus the kernel; False when the base has the kernel already."""
        head = await self._contents.head(base)
        if head is None:
            raise LookupError(f"the default branch {base} does not exist")
        before = await self._contents.file(KERNELS_JSON, head.commit) or ""
        after = before
        for listed in await self._builds.kernels_like(kernel):
            after = add_kernel(after, listed)
        if after == before:
            return False
        message = f"Add kernel {kernel.release} ({kernel.distribution}, {kernel.architecture})"
        commit = await self._contents.commit(head, FileChange(KERNELS_JSON, after, message))
        if not await self._contents.create_branch(branch, commit):
            await self._update_branch(branch, commit, head, after)
        return True

    async def _update_branch(self, branch: str, commit: str, base: Head, content: str) -> None:
        current = await self._contents.head(branch)
        up_to_date = (
            current is not None
            and current.parents == (base.commit,)
            and await self._contents.file(KERNELS_JSON, current.commit) == content
        )
        if not up_to_date:
            await self._contents.move_branch(branch, commit)


def _pull_request(branch: str, base: str, build: Build) -> PullRequest:
    kernel, driver = build.target.kernel, build.target.driver
    return PullRequest(
        branch=branch,
        base=base,
        title=f"Add kernel {kernel.release} ({kernel.distribution}, {kernel.architecture})",
        body=(
            f"A node booted `{kernel.release}` and asked for {driver.name}.\n\n"
            f"{driver.name} {driver.version} was built for it: "
            f"[{build.target.package}]({build.package.url if build.package else ''}), "
            f"[run]({build.run_url}).\n\n"
            "Once this is merged, every later driver version is built for this kernel too. "
            "The branch is regenerated whenever the base changes; edits to it are lost.\n"
        ),
    )
