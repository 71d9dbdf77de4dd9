"""The seven steps of the demo."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from demo.processes import run_tool
from kmodbot.kernels import branch_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from demo.show import Show
    from demo.world import World
    from kmodbot.kernels import Kernel

FLEET = 50
_PATIENCE_SECONDS = 60


class Unexpected(Exception):
    """A step did not end as it must."""


@dataclass
class Loop:
    """The demo's loop for two kernels in one world; each method is one step."""

    world: World
    show: Show
    first: Kernel
    second: Kernel
    _boot: asyncio.Task[dict[str, Any]] = field(init=False)

    async def sandbox(self) -> None:
        """Show that the driver's repository is a real one."""
        github = self.world.github
        with self.show.step("A GitHub on localhost, with the App installed") as step:
            clone = self.world.directory / "clone"
            await run_tool("git", "clone", "--quiet", github.clone_url, str(clone))
            files = await run_tool("git", "-C", str(clone), "ls-files")
            self._say("git", f"clone of {github.clone_url}:", *files.split())
            step.outcome = f"{github.server_url}, {len(files.split())} files cloned"

    async def bot(self) -> None:
        """Start the bot."""
        with self.show.step("The bot starts") as step:
            await self.world.start_bot()
            step.outcome = f"kmodbot serve on {self.world.bot_url}"

    async def request(self) -> None:
        """Boot the first node: its package is missing, so it asks for it."""
        with self.show.step("A node boots, finds no package and asks for it") as step:
            self._boot = asyncio.create_task(self.world.boot("node-1", self.first))
            await self._until(lambda: self.world.github.runs or self._boot.done())
            if self._boot.done():
                raise Unexpected(f"the node ended without a run: {self._boot.exception()}")
            (run,) = self.world.github.runs
            self._say("github", f"run {run.id}: {run.title}")
            step.outcome = f"404, POST /build, run {run.id} dispatched"

    async def run(self) -> None:
        """Follow the run that builds the package, and look at what it made."""
        (run,) = self.world.github.runs
        with self.show.step("The run builds the driver and publishes it") as step:
            log = self.world.github.directory / "runs" / f"{run.id}-1" / "log.txt"
            await self._relay(log, lambda: run.status == "completed")
            _expect(run.conclusion, "success", "as conclusion of the run")
            ((asset,),) = (release.assets for release in self.world.github.releases)
            info = await run_tool("dpkg-deb", "--info", asset.file)
            self._say("dpkg-deb", *(line for line in info.splitlines() if ":" in line))
            step.outcome = f"{asset.name}, {asset.size} bytes"

    async def pull_request(self) -> None:
        """Wait for the pull request that follows the webhook, and show what it changes."""
        github = self.world.github
        with self.show.step("A signed webhook; the bot proposes the kernel") as step:
            await self._settled(pulls=1)
            branch = branch_name(self.first)
            diff = await self._git("diff", f"main...{branch}")
            self._say("git", *diff.splitlines()[4:])
            commits = await self._git("log", "--oneline", f"main..{branch}")
            _expect(len(commits.splitlines()), 1, "commits")
            step.outcome = f"pull request {github.pulls[0].number} from {branch}, one commit"

    async def delivery(self) -> None:
        """See what the first node got."""
        with self.show.step("The node has its driver, verified and unpacked") as step:
            report = await self._boot
            vermagic = await run_tool("modinfo", "-F", "vermagic", report["module"])
            self._say("modinfo", f"vermagic: {vermagic.strip()}")
            self._say("node-1", f"would load {report['module']}")
            _expect(vermagic.split()[0], self.first.release, "as first word of vermagic")
            step.outcome = f"hello.ko for {self.first.release}, sha256 {report['sha256'][:12]}…"

    async def merge(self) -> None:
        """Merge the pull request, and boot a second node and then a fleet."""
        github = self.world.github
        with self.show.step(f"Merged; a second node; {FLEET} nodes on another kernel") as step:
            await github.merge_pull(github.pulls[0].number)
            self._say("git", *(await self._git("log", "--oneline", "main")).splitlines())
            begun = time.monotonic()
            await self.world.boot("node-2", self.first)
            seconds = time.monotonic() - begun
            _expect(len(github.runs), 1, "runs")
            await self._boot_fleet()
            step.outcome = (
                f"node-2 after {seconds:.1f} s without a run; {FLEET} nodes: 1 run, 1 pull request"
            )

    async def _boot_fleet(self) -> None:
        github = self.world.github
        self._say("demo", f"{FLEET} nodes boot {self.second.release} at the same moment")
        boots = [self.world.boot(f"fleet-{n:02}", self.second, quiet=True) for n in range(FLEET)]
        reports = await asyncio.gather(*boots)
        await self._settled(pulls=2)
        dispatches = [call for call in github.calls if call.path.endswith("/dispatches")]
        _expect((len(github.runs), len(dispatches)), (2, 2), "runs and dispatches")
        _expect(len({report["sha256"] for report in reports}), 1, "package")
        self._say("demo", f"{len(reports)} drivers from 1 run; the bot opened 1 pull request")

    async def _settled(self, *, pulls: int) -> None:
        """Wait until GitHub and the bot have nothing left to do."""
        await self._until(lambda: len(self.world.github.pulls) >= pulls)
        await self.world.github.settled()
        _expect(len(self.world.github.pulls), pulls, "pull requests")

    async def _relay(self, log: Path, ended: Callable[[], bool]) -> None:
        """Show what a run prints until it has ended."""
        await self._until(log.exists)
        with log.open() as lines:
            while True:
                last = ended()
                for line in lines:
                    if not line.startswith("::"):
                        self._say("run", line.rstrip())
                if last:
                    return
                await asyncio.sleep(0.05)

    async def _until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise Unexpected(f"nothing happened for {_PATIENCE_SECONDS} seconds")
            await asyncio.sleep(0.05)

    async def _git(self, *arguments: str) -> str:
        return await run_tool("git", "-C", self.world.github.repository_path, *arguments)

    def _say(self, speaker: str, *lines: str) -> None:
        for line in lines:
            self.show.line(speaker, escape(line))


def _expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Unexpected(f"expected {wanted} {what}, found {found}")
