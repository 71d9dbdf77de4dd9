"""Bodies that are sent to fill the memory, or that never end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot.http import body
from tests.bot.conftest import running_bot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox

HEADERS = {"X-Hub-Signature-256": f"sha256={'0' * 64}", "Content-Type": "application/json"}


@pytest.mark.parametrize(("size", "status"), [(100_000, 401), (400_000, 401), (3_000_000, 503)])
async def test_large_bodies_share_a_bounded_memory(
    settings: Settings,
    github: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    status: int,
) -> None:
    monkeypatch.setattr(body, "_MOST_BUFFERED", 1 << 20)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // 10_000):
            yield b"x" * 10_000

    async with running_bot(settings, github) as bot:
        # What one request took is there again for the next.
        for _ in range(4):
            async with bot.client.post(
                "/webhooks/github", data=pieces(), headers=HEADERS
            ) as answer:
                assert answer.status == status


async def test_a_body_that_does_not_end_is_not_waited_for(
    settings: Settings, github: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "_SECONDS_FOR_A_BODY", 0.05)
    answered = asyncio.Event()

    async def beginning() -> AsyncIterator[bytes]:
        yield b"{"
        await answered.wait()

    async with running_bot(settings, github) as bot:
        async with bot.client.post("/webhooks/github", data=beginning(), headers=HEADERS) as answer:
            assert answer.status == 408
        answered.set()
