"""A bot that is told to stop ends in time, whatever hangs."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from kmodbot.bot import keys
from kmodbot.bot.delivery_pool import DeliveryPool
from kmodbot.bot.workers import Workers
from tests.bot.conftest import DEBIAN, eventually, running_bot, serving
from tests.ports import held_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.postgresql import Server


async def test_a_store_that_hangs_does_not_keep_it_from_ending(
    settings: Settings,
    github: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hang(self: DeliveryPool) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(DeliveryPool, "finish", hang)
    monkeypatch.setattr(DeliveryPool, "close", hang)
    monkeypatch.setattr("kmodbot.bot.app._SECONDS_TO_GIVE_BACK", 0.05)
    hasty = dataclasses.replace(settings, drain_seconds=0.05)

    async with asyncio.timeout(20), running_bot(hasty, github) as bot:
        await bot.settled()

    assert "could not be given back in time" in caplog.text


async def test_the_work_is_told_to_end_before_the_requests_have_ended(
    settings: Settings, github: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    stop = Workers.stop

    def noted(self: Workers) -> None:
        order.append("work")
        stop(self)

    monkeypatch.setattr(Workers, "stop", noted)
    async with running_bot(settings, github) as bot:
        await bot.settled()
        github.hold_runs()
        _, asked = await bot.ask()
        waiting = asyncio.create_task(bot.app[keys.WAITING].get(asked["build_id"], 60))
        waiting.add_done_callback(lambda _: order.append("request"))
        await asyncio.sleep(0)
    await waiting

    assert order == ["work", "request"]


async def ask(port: str) -> None:
    """Ask a process for a driver; it may end before it answers."""
    with suppress(aiohttp.ClientError):
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
            session.post("/build", json=DEBIAN) as answer,
        ):
            await answer.read()


async def is_ready(port: str) -> None:
    """Wait until a process is ready."""

    async def answers() -> bool:
        with suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/readyz") as answer,
            ):
                return answer.status == 200
        return False

    await eventually(answers)


def is_asked(port: int) -> bool:
    """Tell whether a server was sent something that it has not read."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, _, queues, *_ = line.split()
        if local.endswith(f":{port:04X}") and int(queues.partition(":")[2], 16):
            return True
    return False


class TestProcess:
    """``kmodbot serve``, which is told to stop while its store does not answer."""

    @pytest.fixture
    def environment(self, github: Sandbox, database_url: str) -> Iterator[dict[str, str]]:
        with held_port() as port:
            yield {
                **os.environ,
                **github.environment(),
                "KMODBOT_DRIVER": "hello",
                "PORT": str(port),
                "DATABASE_URL": database_url,
                "KMODBOT_DRAIN_SECONDS": "0.1",
            }

    @pytest.mark.parametrize("store", ["postgresql"])
    async def test_a_server_that_stands_still_does_not_keep_it_from_ending(
        self, environment: dict[str, str], postgresql: Server
    ) -> None:
        async with serving(environment) as process, asyncio.timeout(60):
            await is_ready(environment["PORT"])
            # So that several connections are idle.
            await asyncio.gather(*(is_ready(environment["PORT"]) for _ in range(10)))
            with postgresql.frozen():
                asked = asyncio.create_task(ask(environment["PORT"]))
                await eventually(lambda: is_asked(postgresql.port))
                process.send_signal(signal.SIGTERM)
                # It answers again only after this.
                status = await process.wait()
            await asked

        assert status == 0

    async def test_a_file_that_another_one_locks_does_not_keep_it_from_ending(
        self, environment: dict[str, str], database_url: str
    ) -> None:
        async with serving(environment) as process:
            await is_ready(environment["PORT"])
            with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as other:
                other.isolation_level = None
                other.execute("BEGIN IMMEDIATE")
                process.send_signal(signal.SIGTERM)
                # Less than SQLite waits for a lock: what the process holds it gives back in vain.
                async with asyncio.timeout(25):
                    status = await process.wait()

        assert status == 0
