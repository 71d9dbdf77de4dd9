"""``kmodbot serve`` as an operator sees it: from the first line of its log to the last."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.bot.conftest import DEBIAN, serving

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

    from kmodbot.sandbox import Sandbox


@pytest.fixture
def environment(github: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        **github.environment(),
        "KMODBOT_DRIVER": "hello",
        "PORT": "0",
        "DATABASE_URL": f"sqlite:///{tmp_path}/kmodbot.db",
    }


async def line_with(process: Process, word: str) -> dict[str, Any]:
    """Read the log up to the line that has a word."""
    assert process.stderr is not None
    async for line in process.stderr:
        read: dict[str, Any] = json.loads(line)
        if word in read["message"]:
            return read
    raise AssertionError(f"no line has {word}")


async def said(process: Process) -> list[str]:
    return (await process.communicate())[1].decode().splitlines()


async def test_it_says_where_it_listens_and_why_it_stopped(
    environment: dict[str, str], github: Sandbox
) -> None:
    github.hold_runs()
    async with serving(environment | {"KMODBOT_LOGLEVEL": "debug"}) as bot:
        warning = await line_with(bot, "KMODBOT_LOGLEVEL")
        listening = await line_with(bot, "listening on")
        address = listening["message"].split()[2]
        async with aiohttp.ClientSession(address) as session:
            async with session.get("/healthz") as answer:
                assert answer.status == 200
            async with session.post("/build", json=DEBIAN) as answer:
                assert answer.status == 202
        bot.send_signal(signal.SIGTERM)
        stopped = await line_with(bot, "stopped")
        rest = await said(bot)

    assert warning["level"] == "warning"
    assert "for acme/hello-driver" in listening["message"]
    assert "stopped by SIGTERM after" in stopped["message"]
    assert stopped["message"].endswith("left: builds under way on GitHub: 1")
    assert (rest, bot.returncode) == ([], 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PORT": "http", "KMODBOT_DRIVER": ""}, "PORT: expected a port number"),
        ({"HOST": "192.0.2.1", "KMODBOT_ALLOW_UNAUTHENTICATED": "yes"}, "cannot listen on 192.0"),
        ({"DATABASE_URL": "sqlite:////dev/null/x.db"}, "DATABASE_URL: the directory /dev/null"),
    ],
)
async def test_why_it_does_not_start_is_one_line_of_the_log(
    environment: dict[str, str], changes: dict[str, str], words: str
) -> None:
    async with serving(environment | changes) as bot:
        read = [json.loads(line) for line in await said(bot)][-1]

    assert read["level"] == "critical"
    assert read["message"].startswith("the bot does not start: ")
    assert words in read["message"]
    assert bot.returncode == 2


async def test_people_read_a_line_for_each_thing_that_is_wrong(environment: dict[str, str]) -> None:
    wrong = {"PORT": "http", "KMODBOT_DRIVER": "", "KMODBOT_LOG_FORMAT": "console"}
    async with serving(environment | wrong) as bot:
        driver, port = await said(bot)

    assert driver.startswith("kmodbot: KMODBOT_DRIVER is missing")
    assert port.startswith("kmodbot: PORT: expected")
    assert bot.returncode == 2
