"""The bot dies at every moment at which it speaks to GitHub, and the world comes right again."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sqlite3
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.bot.conftest import DEBIAN, eventually, git, kernels_listed

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.sandbox import Call, Sandbox

BRANCH = "add-kernel/debian/x86_64/6-1-0-38-amd64"


@dataclass
class MortalBot:
    """``kmodbot serve`` as a process that is started again whenever it dies."""

    environment: dict[str, str]
    port: int
    starts: int = 0
    process: asyncio.subprocess.Process | None = None
    keeper: asyncio.Task[None] = field(init=False)

    async def __aenter__(self) -> MortalBot:
        self.keeper = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.keeper.cancel()
        await asyncio.gather(self.keeper, return_exceptions=True)
        await self.kill()

    async def kill(self) -> None:
        """Kill the process without warning, and return when it is gone."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def _keep_alive(self) -> None:
        while True:
            self.starts += 1
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "kmodbot.cli", "serve"), env=self.environment
            )
            await self.process.wait()

    async def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Ask the bot as a node does: again and again until it answers."""
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self.port}") as session:
            while True:
                try:
                    async with session.request(method, path, **options) as answer:
                        if answer.status < 300:
                            body: dict[str, Any] = await answer.json()
                            return body
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)


@pytest.fixture
def mortal_bot(github: Sandbox, tmp_path: Path) -> MortalBot:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    github.webhook_url = f"http://127.0.0.1:{port}/webhooks/github"
    environment = {
        **github.environment(),
        "KMODBOT_DRIVER": "hello",
        "PORT": str(port),
        "DATABASE_URL": f"sqlite:///{tmp_path}/kmodbot.db",
        "KMODBOT_RECONCILE_SECONDS": "0.2",
        "KMODBOT_CLAIM_SECONDS": "1",
    }
    return MortalBot(environment, port)


@pytest.mark.parametrize("fatal_moment", ["received", "applied", "answered"])
async def test_a_bot_killed_at_every_call_ends_with_one_run_one_package_one_pull_request(
    github: Sandbox, mortal_bot: MortalBot, tmp_path: Path, fatal_moment: str
) -> None:
    survived: set[str] = set()

    async def kill_the_first_time(call: Call, moment: str) -> None:
        kind = f"{call.method} {re.sub('[0-9a-f]{40}|[0-9]+', 'N', call.path)}"
        if moment == fatal_moment and call.actor != "actions" and kind not in survived:
            survived.add(kind)
            await mortal_bot.kill()

    github.observe(kill_the_first_time)

    async with mortal_bot:
        asked = await mortal_bot.call("POST", "/build", json=DEBIAN)
        build_id = asked["build_id"]
        await eventually(lambda: is_done(mortal_bot, build_id), seconds=90)
        await eventually(lambda: is_proposed(tmp_path / "kmodbot.db"), seconds=30)
        await github.settled()

    assert len(github.runs) == 1
    assert [len(release.assets) for release in github.releases] == [1]
    assert [pull.head_ref for pull in github.pulls] == [BRANCH]
    assert git(github, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert len(kernels_listed(github, BRANCH)) == 1
    # Most kinds of call had a death of their own; a few happen at the same moment as another.
    assert {kind.split()[0] for kind in survived} == {"GET", "POST"}
    assert mortal_bot.starts > 10


async def is_done(bot: MortalBot, build_id: str) -> bool:
    return bool((await bot.call("GET", f"/status/{build_id}"))["status"] == "done")


async def is_proposed(database: Path) -> bool:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT proposed FROM builds").fetchall() == [(1,)]
