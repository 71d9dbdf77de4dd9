"""Several bots on one database, asked for the same at the same moment, start each build once."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.bot.conftest import DEBIAN, eventually, on_both_stores
from tests.bot.forker import Forker
from tests.ports import held_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.sandbox import Sandbox

PROCESSES = 8
KERNELS = 50


@asynccontextmanager
async def bot_processes(environment: dict[str, str]) -> AsyncIterator[list[aiohttp.ClientSession]]:
    """Run ``kmodbot serve`` several times; yield what speaks to each, once all of them answer."""
    async with Forker() as forker, AsyncExitStack() as stack:
        bots, pids = [], []
        for port in [stack.enter_context(held_port()) for _ in range(PROCESSES)]:
            pids.append(await forker.start(environment | {"PORT": str(port)}))
            session = aiohttp.ClientSession(f"http://127.0.0.1:{port}")
            bots.append(await stack.enter_async_context(session))
        for bot in bots:
            await eventually(functools.partial(answers, bot), seconds=60)
        yield bots
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        assert [await forker.ended() for _ in bots] == [0] * PROCESSES


async def answers(bot: aiohttp.ClientSession) -> bool:
    try:
        async with bot.get("/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def ask(bot: aiohttp.ClientSession, kernel: int) -> str:
    """Ask for a build; return its id."""
    wanted = DEBIAN | {"kernel_version": f"6.1.0-{kernel + 1}-amd64"}
    async with bot.post("/build", json=wanted) as answer:
        body: dict[str, Any] = await answer.json()
        assert answer.status == 202, body
        build_id: str = body["build_id"]
        return build_id


async def is_queued(bot: aiohttp.ClientSession, build_id: str) -> bool:
    async with bot.get(f"/status/{build_id}") as answer:
        return bool((await answer.json())["phase"] == "queued")


@on_both_stores
async def test_eight_bots_start_each_of_fifty_builds_once(
    github: Sandbox, database_url: str
) -> None:
    environment = {
        **github.environment(),
        "KMODBOT_DRIVER": "hello",
        "DATABASE_URL": database_url,
        "KMODBOT_LOG_LEVEL": "warning",
        "KMODBOT_WRITE_SECONDS": "0.02",
    }
    github.hold_runs()
    async with bot_processes(environment) as bots:
        asked = [ask(bot, kernel) for kernel in range(KERNELS) for bot in bots]
        build_ids = Counter(await asyncio.gather(*asked))

        async def all_dispatched() -> bool:
            return not any([await is_queued(bots[0], build_id) for build_id in build_ids])

        await eventually(all_dispatched, seconds=120)

    assert sorted(build_ids.values()) == [PROCESSES] * KERNELS
    assert len(github.runs) == KERNELS
    assert {run.title.split()[1] for run in github.runs} == set(build_ids)
