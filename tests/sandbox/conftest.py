"""A sandbox for each test, and GitHub's client for each kind of caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from kmodbot.sandbox import Sandbox

from .support import CONTENT, Client, Clock, Receiver, TestRunner, app_jwt, mint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application(client_max_size=26 * 1024 * 1024)
    application.router.add_post("/webhooks/github", receiver.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/github"
    yield receiver
    await runner.cleanup()


@pytest.fixture
def runner() -> TestRunner:
    return TestRunner()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def content() -> dict[str, bytes]:
    """Return the files of the repository."""
    return CONTENT


@pytest.fixture
async def github(
    tmp_path: Path,
    content: dict[str, bytes],
    receiver: Receiver,
    runner: TestRunner,
    clock: Clock,
) -> AsyncIterator[Sandbox]:
    async with Sandbox(
        tmp_path, content=content, runner=runner, webhook_url=receiver.url, clock=clock
    ) as github:
        yield github
        # Nothing may be forgotten on its way when a test ends well.
        runner.may_finish.set()
        await github.settled()


@pytest.fixture
def app(github: Sandbox) -> Client:
    """Return the App, with a JWT."""
    return Client(github, app_jwt(github))


@pytest.fixture
async def bot(github: Sandbox) -> Client:
    """Return the App's installation, with every permission."""
    return Client(github, await mint(github))


@pytest.fixture
def maintainer(github: Sandbox) -> Client:
    return Client(github, github.maintainer_token)


@pytest.fixture
def nobody(github: Sandbox) -> Client:
    """Return a caller without credentials."""
    return Client(github, None)
