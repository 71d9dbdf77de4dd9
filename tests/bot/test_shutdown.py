"""A bot that is told to stop ends in time, whatever hangs."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from kmodbot.bot import keys
from kmodbot.bot.delivery_pool import DeliveryPool
from kmodbot.bot.workers import Workers
from tests.bot.conftest import running_bot

if TYPE_CHECKING:
    import pytest

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox


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
