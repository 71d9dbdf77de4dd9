"""Deliveries that the store could not take come again as soon as it can."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from kmodbot.bot import keys
from kmodbot.bot.repairs import redelivery
from kmodbot.bot.store.database import Database
from kmodbot.sandbox import Fault
from tests.bot.conftest import eventually, on_both_stores, running_bot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Call, Sandbox
    from kmodbot.sandbox.records import Delivery
    from tests.bot.conftest import Bot
    from tests.bot.postgresql import Server


@pytest.fixture(autouse=True)
def errors_are_soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kmodbot.bot.workers._SECONDS_AFTER_AN_ERROR", 0.05)
    monkeypatch.setattr("kmodbot.bot.workers._SECONDS_AFTER_AN_OUTAGE", 0.05)
    monkeypatch.setattr("kmodbot.bot.reconciler._SECONDS_FOR_A_LOOK", 0.05)


@pytest.fixture
async def bot(settings: Settings, github: Sandbox) -> AsyncIterator[Bot]:
    """Run a bot that learns from nothing but webhooks how its runs end."""
    deaf = dataclasses.replace(settings, overdue_seconds=99999, repair_seconds=99999)
    async with running_bot(deaf, github) as bot:
        yield bot


@asynccontextmanager
async def outage(request: pytest.FixtureRequest, store: str) -> AsyncIterator[None]:
    """Let the store be away while the block runs."""
    if store == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        await asyncio.to_thread(server.stop)
        yield
        await asyncio.to_thread(server.start)
        return

    def away(*_: object) -> None:
        raise OperationalError("", {}, OSError("disk I/O error"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "writing", away)
        patch.setattr(Database, "write", away)
        yield


async def run_ends_unheard(github: Sandbox) -> None:
    github.release_runs()
    await github.settled()
    completed = [each for each in github.deliveries if each.action == "completed"]
    assert [each.status_code for each in completed] == [503]


async def is_done(bot: Bot, build_id: str) -> bool:
    return bool((await bot.status(build_id))["status"] == "done")


@on_both_stores
async def test_they_come_again_as_soon_as_it_serves_again(
    bot: Bot, github: Sandbox, store: str, request: pytest.FixtureRequest
) -> None:
    github.hold_runs()
    _, asked = await bot.ask()
    await bot.settled()
    async with outage(request, store):
        await run_ends_unheard(github)

    await eventually(lambda: is_done(bot, asked["build_id"]))
    again = [each for each in github.deliveries if each.redelivery]
    assert [(each.action, each.status_code) for each in again] == [("completed", 202)]


async def test_those_that_github_lists_late_are_found_as_well(
    bot: Bot, github: Sandbox, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmodbot.bot.workers._SECONDS_UNTIL_FAILURES_ARE_LISTED", 0.01)
    late: list[Delivery] = []

    async def list_late_ones(call: Call, moment: str) -> None:
        if call.path == "/app/hook/deliveries" and moment == "answered":
            github.deliveries.extend(late)
            late.clear()

    github.hold_runs()
    _, asked = await bot.ask()
    await bot.settled()
    async with outage(request, "sqlite"):
        await run_ends_unheard(github)
        late += github.deliveries
        github.deliveries.clear()
        github.observe(list_late_ones)

    await eventually(lambda: is_done(bot, asked["build_id"]))
    assert late == []


async def test_github_is_asked_again_when_it_is_away_as_well(
    bot: Bot, github: Sandbox, request: pytest.FixtureRequest
) -> None:
    github.hold_runs()
    _, asked = await bot.ask()
    await bot.settled()
    github.faults.add(Fault(path="/app/hook/deliveries", kind="status", status=502, times=3))
    async with outage(request, "sqlite"):
        await run_ends_unheard(github)

    await eventually(lambda: is_done(bot, asked["build_id"]))


async def test_a_look_that_began_before_does_not_count(
    bot: Bot, github: Sandbox, request: pytest.FixtureRequest
) -> None:
    github.hold_runs()
    _, asked = await bot.ask()
    await bot.settled()
    turns = bot.app[keys.WORKERS]._reconciler.turns
    await turns.hasten(redelivery.WORK)
    before = bot.calls("GET", "/app/hook/deliveries")
    async with turns.turn(redelivery.WORK, every=99999) as is_ours:
        assert is_ours
        async with outage(request, "sqlite"):
            await run_ends_unheard(github)
        assert bot.calls("GET", "/app/hook/deliveries") == before

    await eventually(lambda: is_done(bot, asked["build_id"]))
