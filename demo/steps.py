"""The seven steps of the demo."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from demo.processes import run_tool
from kmodbot.kernels import branch_name

if TYPE_CHECKING:
    from demo.show import Show
    from demo.world import World
    from kmodbot.kernels import Kernel

FLEET = 50


class Unexpected(Exception):
    """A step did not end as it must."""


@dataclass
class Loop:
    """The demo's loop for two kernels in one world; each method is one step."""

    world: World
    show: Show
    first: Kernel
    second: Kernel
    node: dict[str, Any] = field(default_factory=dict)

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

    async def build(self) -> None:
        """Boot the first node: its package is missing, so it is built."""
        with self.show.step("A node boots, finds no package and asks for it") as step:
            reading = asyncio.create_task(self._relay_run_log())
            self.node = await self.world.boot("node-1", self.first)
            reading.cancel()
            _expect(len(self.world.github.runs), 1, "runs")
            step.outcome = f"built and verified: {self.node['package']}"

    async def package(self) -> None:
        """Look at what was built, with the distribution's own tools."""
        with self.show.step("The package and its module") as step:
            name = self.node["package"]
            (asset,) = (a for r in self.world.github.releases for a in r.assets if a.name == name)
            self._say("dpkg-deb", *(await run_tool("dpkg-deb", "--info", asset.file)).splitlines())
            module = self.node["module"]
            vermagic = await run_tool("modinfo", "-F", "vermagic", module)
            self._say("modinfo", f"vermagic: {vermagic.strip()}", f"would load {module}")
            _expect(vermagic.split()[0], self.first.release, "vermagic")
            step.outcome = f"{asset.size} bytes, sha256 {self.node['sha256'][:16]}…"

    async def pull_request(self) -> None:
        """Wait for the pull request and show what it changes."""
        with self.show.step("The bot proposes the kernel") as step:
            await self._settled(pulls=1)
            branch = branch_name(self.first)
            repository = str(self.world.github.repository_path)
            diff = await run_tool("git", "-C", repository, "diff", f"main...{branch}")
            commits = await run_tool("git", "-C", repository, "log", "--oneline", f"main..{branch}")
            _expect(len(commits.splitlines()), 1, "commits")
            self._say("git", *diff.splitlines())
            step.outcome = f"pull request from {branch}, one commit"

    async def merge(self) -> None:
        """Merge the pull request and boot a second node on the same kernel."""
        github = self.world.github
        with self.show.step("It is merged; a second node finds its package at once") as step:
            await github.merge_pull(github.pulls[0].number)
            begun = time.monotonic()
            await self.world.boot("node-2", self.first)
            seconds = time.monotonic() - begun
            _expect(len(github.runs), 1, "runs")
            repository = str(github.repository_path)
            history = await run_tool("git", "-C", repository, "log", "--oneline", "main")
            self._say("git", *history.splitlines())
            step.outcome = f"driver ready after {seconds:.1f} s, no second run"

    async def fleet(self) -> None:
        """Boot many nodes on another kernel at the same moment."""
        github = self.world.github
        with self.show.step(f"{FLEET} nodes boot together on {self.second.release}") as step:
            boots = [
                self.world.boot(f"fleet-{n:02}", self.second, quiet=True) for n in range(FLEET)
            ]
            reports = await asyncio.gather(*boots)
            await self._settled(pulls=2)
            _expect(len(github.runs), 2, "runs")
            counts = Counter(call.path.rpartition("/")[2] for call in github.calls)
            _expect(counts["dispatches"], 2, "dispatches")
            _expect(len({report["sha256"] for report in reports}), 1, "packages")
            step.outcome = f"{FLEET} drivers from 1 run and 1 pull request"

    async def _settled(self, *, pulls: int) -> None:
        """Wait until GitHub and the bot have nothing left to do."""
        deadline = time.monotonic() + 30
        while len(self.world.github.pulls) < pulls and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await self.world.github.settled()
        _expect(len(self.world.github.pulls), pulls, "pull requests")

    async def _relay_run_log(self) -> None:
        """Show what the run prints while it goes on."""
        logs = self.world.github.directory / "runs"
        while not (found := sorted(logs.glob("*/log.txt"))):
            await asyncio.sleep(0.1)
        with found[-1].open() as log:
            while True:
                line = log.readline()
                if line:
                    self._say("run", line.rstrip())
                else:
                    await asyncio.sleep(0.1)

    def _say(self, speaker: str, *lines: str) -> None:
        for line in lines:
            self.show.line(speaker, escape(line))


def _expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise Unexpected(f"expected {wanted} {what}, found {found}")
