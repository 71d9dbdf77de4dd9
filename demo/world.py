"""The world of the demo: a GitHub with a driver's repository, the bot, and nodes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from demo.content import write_content
from demo.kernels import CACHE
from demo.processes import LOADER, Program, kmodbot
from kmodbot.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from demo.show import Show
    from kmodbot.kernels import Kernel

DRIVER, DRIVER_VERSION = "hello", "v0.1.0"
_OS_RELEASE = """\
PRETTY_NAME="Debian GNU/Linux {version} ({codename})"
NAME="Debian GNU/Linux"
VERSION_ID="{version}"
VERSION="{version} ({codename})"
VERSION_CODENAME={codename}
ID=debian
HOME_URL="https://www.debian.org/"
"""
_CODENAMES = {"12": "bookworm", "13": "trixie"}


@dataclass
class World:
    """What the steps of the demo work with."""

    show: Show
    directory: Path
    github: Sandbox
    port: int = field(default_factory=lambda: _free_port())
    programs: list[Program] = field(default_factory=list)

    @property
    def bot_url(self) -> str:
        """The address of the bot."""
        return f"http://127.0.0.1:{self.port}"

    async def start_bot(self) -> None:
        """Start ``kmodbot serve`` with the documented variables and wait until it answers."""
        environment = {
            **self.github.environment(),
            "KMODBOT_DRIVER": DRIVER,
            "KMODBOT_LOG_FORMAT": "console",
            "PORT": str(self.port),
            "DATABASE_URL": f"sqlite:///{self.directory}/kmodbot.db",
            "KMODBOT_RECONCILE_SECONDS": "5",
        }
        bot = await Program.start(self.show, "bot", kmodbot("serve"), environment)
        self.programs.append(bot)
        await self._healthy(bot)

    async def _healthy(self, bot: Program) -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(300):
                try:
                    async with session.get(f"{self.bot_url}/healthz") as answer:
                        if answer.ok:
                            return
                except aiohttp.ClientError:
                    pass
                if bot.ended:
                    raise RuntimeError("the bot ended instead of starting; its lines say why")
                await asyncio.sleep(0.1)
        raise RuntimeError("the bot did not start within 30 seconds")

    async def boot(self, name: str, kernel: Kernel, *, quiet: bool = False) -> dict[str, Any]:
        """Boot a node on ``kernel``; return the report of its driver-loader."""
        root = self.directory / "nodes" / name
        (root / "etc").mkdir(parents=True)
        version = kernel.distro_version
        text = _OS_RELEASE.format(version=version, codename=_CODENAMES[version])
        (root / "etc" / "os-release").write_text(text)
        command = [
            *(sys.executable, str(LOADER), "--json"),
            *("--root", str(root), "--kernel-release", kernel.release),
            *("--api-url", self.github.api_url),
        ]
        environment = {
            "KMODBOT_URL": self.bot_url,
            "KMODBOT_REPOSITORY": "acme/hello-driver",
            "KMODBOT_DRIVER": DRIVER,
            "KMODBOT_DRIVER_VERSION": DRIVER_VERSION,
            "GITHUB_SERVER_URL": self.github.server_url,
        }
        loader = await Program.start(self.show, None if quiet else name, command, environment)
        self.programs.append(loader)
        status, output = await loader.finish()
        self.programs.remove(loader)
        if status != 0:
            raise RuntimeError(f"{name} ended with exit status {status}")
        report: dict[str, Any] = json.loads(output)
        return report

    async def stop(self) -> None:
        """Stop every program that still runs."""
        stops = (program.stop() for program in self.programs)
        await asyncio.gather(*stops, return_exceptions=True)


@asynccontextmanager
async def open_world(show: Show, directory: Path) -> AsyncIterator[World]:
    """Start the GitHub of the demo; at the end stop it and everything else."""
    # A self-hosted runner keeps its downloads too; without this every run would fetch them again.
    os.environ["XDG_CACHE_HOME"] = str(CACHE.parent)
    write_content(directory / "content")
    async with Sandbox(directory / "github", content=directory / "content") as github:
        world = World(show, directory, github)
        github.webhook_url = f"{world.bot_url}/webhooks/github"
        try:
            yield world
        finally:
            await world.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
