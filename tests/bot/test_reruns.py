"""Runs of long ago that somebody ran again while no bot heard of it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot import keys
from kmodbot.bot.build import Phase
from tests.bot.conftest import running_bot
from tests.bot.maintainer import Maintainer
from tests.bot.world import make_older

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot, QuickRunner

LIST = "/driver-build.yml/runs"


async def time_goes_by(bot: Bot, time: timedelta) -> None:
    """Let all that happened have happened earlier."""
    await make_older(bot.app[keys.DATABASE], time)
    for run in bot.github.runs:
        run.created_at -= time
        run.started_at -= time
        run.updated_at -= time


async def failed_build(bot: Bot, runner: QuickRunner, **changes: str) -> str:
    runner.conclusion = "failure"
    _, asked = await bot.ask(**changes)
    assert (await bot.finished(asked["build_id"]))["status"] == "error"
    return str(asked["build_id"])


async def status(bot: Bot, build_id: str) -> str:
    return str((await bot.status(build_id))["status"])


@pytest.fixture
async def old_failure(
    settings: Settings, github: Sandbox, runner: QuickRunner
) -> AsyncIterator[tuple[Bot, str]]:
    """Run a bot with a build that failed ten days ago, and that hears nothing from now on."""
    patient = dataclasses.replace(settings, overdue_seconds=900)
    async with running_bot(patient, github) as bot:
        build_id = await failed_build(bot, runner)
        github.webhook_url = None
        await time_goes_by(bot, timedelta(days=10))
        # All lists that are looked at now and then have been read since.
        await bot.reconcile()
        yield bot, build_id


async def test_the_package_of_an_old_run_that_was_run_again_is_found(
    old_failure: tuple[Bot, str], github: Sandbox, runner: QuickRunner
) -> None:
    bot, build_id = old_failure
    runner.conclusion = "success"
    await Maintainer(github).rerun(github.runs[0].id)
    await github.settled()

    await time_goes_by(bot, timedelta(hours=2))
    await bot.reconcile()
    await bot.reconcile()

    assert await status(bot, build_id) == "done"
    assert len(github.pulls) == 1


async def test_a_build_is_in_progress_while_its_old_run_is_run_again(
    old_failure: tuple[Bot, str], github: Sandbox, runner: QuickRunner
) -> None:
    bot, build_id = old_failure
    runner.conclusion = "success"
    github.hold_runs()
    await Maintainer(github).rerun(github.runs[0].id)
    await time_goes_by(bot, timedelta(hours=2))
    github.runs[0].started_at += timedelta(hours=2)
    await bot.reconcile()
    assert await status(bot, build_id) == "in_progress"

    github.release_runs()
    await github.settled()
    before = bot.calls("GET", LIST)
    await time_goes_by(bot, timedelta(minutes=20))
    await bot.reconcile()

    assert await status(bot, build_id) == "done"
    assert bot.calls("GET", LIST) == before, "it is far down in the list"


async def test_one_that_failed_again_says_so_once(
    old_failure: tuple[Bot, str], github: Sandbox
) -> None:
    bot, build_id = old_failure
    await Maintainer(github).rerun(github.runs[0].id)
    await github.settled()
    for _ in range(3):
        await time_goes_by(bot, timedelta(hours=2))
        await bot.reconcile()

    build = await bot.app[keys.BUILDS].get(build_id)
    assert build is not None
    assert (build.phase, build.run_attempt) == (Phase.ERROR, 2)
    assert bot.calls("GET", "/jobs") == 2, "one for each attempt"


async def test_what_was_run_again_while_no_bot_ran_for_weeks_is_found_after_the_next_start(
    settings: Settings, github: Sandbox, runner: QuickRunner
) -> None:
    async with running_bot(settings, github) as bot:
        build_id = await failed_build(bot, runner)
        github.webhook_url = None
        runner.conclusion = "success"
        await Maintainer(github).rerun(github.runs[0].id)
        await github.settled()
        await time_goes_by(bot, timedelta(days=50))

    async with running_bot(settings, github) as bot:
        assert await status(bot, build_id) == "done"


async def test_it_costs_one_call_an_hour_and_none_where_nothing_has_failed(
    settings: Settings, github: Sandbox, runner: QuickRunner
) -> None:
    async with running_bot(settings, github) as bot:
        for _ in range(2):
            await time_goes_by(bot, timedelta(hours=2))
            before = bot.calls("GET", LIST)
            await bot.reconcile()
            assert bot.calls("GET", LIST) == before

        await failed_build(bot, runner)
        before = bot.calls("GET", LIST)
        for _ in range(3):
            await bot.reconcile()
        assert bot.calls("GET", LIST) == before
        await time_goes_by(bot, timedelta(hours=2))
        for _ in range(3):
            await bot.reconcile()
        assert bot.calls("GET", LIST) == before + 1


async def test_a_long_list_is_read_in_portions_and_from_its_beginning_again(
    settings: Settings, github: Sandbox, runner: QuickRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_bot(settings, github) as bot:
        oldest = await failed_build(bot, runner)
        runner.conclusion = "success"
        for number in range(50, 54):
            _, asked = await bot.ask(kernel_version=f"6.1.0-{number}-amd64")
            await bot.finished(asked["build_id"])
        github.webhook_url = None
        for age, run in enumerate(reversed(github.runs)):
            run.created_at -= timedelta(days=age)
        await make_older(bot.app[keys.DATABASE], timedelta(days=5))
        await Maintainer(github).rerun(github.runs[0].id)
        await github.settled()
        monkeypatch.setattr("kmodbot.bot.github.runs._PER_PAGE", 1)
        monkeypatch.setattr("kmodbot.bot.github.runs._PAGES", 2)
        looks = []
        while await status(bot, oldest) == "error":
            before = bot.calls("GET", LIST)
            await time_goes_by(bot, timedelta(hours=2))
            await bot.reconcile()
            looks.append(bot.calls("GET", LIST) - before)

    # Each goes on at the run where the last one has stopped.
    assert looks == [2, 2, 2, 2]
