"""Builds that fail: what is told of them, what is remembered, what is tried again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kmodbot.bot import keys
from tests.bot.conftest import (
    DEBIAN,
    dispatch_by_hand,
    running_bot,
    target_of,
)
from tests.bot.maintainer import Maintainer

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot, QuickRunner


async def test_a_failed_run_is_an_error_that_names_the_step_and_the_run(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.conclusion = "failure"
    _, asked = await bot.ask()
    ended = await bot.finished(asked["build_id"])

    assert ended["status"] == "error"
    assert ended["run_url"].endswith(f"/acme/hello-driver/actions/runs/{github.runs[0].id}")
    step = 'step "Build the package" of job "Build"'
    assert ended["error"] == f"the run failed in {step}: {ended['run_url']}"
    assert github.pulls == []


async def test_a_failure_is_remembered_so_that_no_boot_repeats_it(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.conclusion = "failure"
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    outcomes = [await bot.app[keys.DISPATCHER].request(target_of(DEBIAN)) for _ in range(3)]

    assert len(github.runs) == 1
    assert {outcome.build.id for outcome in outcomes if outcome.build} == {asked["build_id"]}
    assert all(3590 < (outcome.retry_after or 0) <= 3600 for outcome in outcomes)


class TestARunThatWasCancelledBeforeItBegan:
    async def test_it_is_no_failure_of_the_kernel(self, bot: Bot, github: Sandbox) -> None:
        github.hold_runs()
        _, asked = await bot.ask()
        await Maintainer(github).cancel(github.runs[0].id)
        ended = await bot.finished(asked["build_id"])
        assert ended["error"] == f"its run was cancelled: {ended['run_url']}"

        github.release_runs()
        status, again = await bot.ask()

        assert status == 202
        assert (await bot.finished(again["build_id"]))["status"] == "done"

    async def test_it_has_the_package_of_the_run_that_was_preferred(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        _, asked = await bot.ask()
        ours = github.runs[0].id
        await dispatch_by_hand(bot)
        url, github.webhook_url = github.webhook_url, None
        await Maintainer(github).cancel(ours)
        github.release_runs()
        await github.settled()
        github.webhook_url = url

        await bot.reconcile()

        assert (await bot.status(asked["build_id"]))["status"] == "done"


async def test_a_run_that_is_cancelled_while_it_builds_is_remembered(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.conclusion = "cancelled"
    _, asked = await bot.ask()
    ended = await bot.finished(asked["build_id"])
    assert 'the run failed in step "Build the package"' in ended["error"]

    status, _ = await bot.ask()
    assert status == 409


async def test_a_package_that_others_published_meanwhile_outweighs_a_failure(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.conclusion = "failure"
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    runner.conclusion = "success"
    await dispatch_by_hand(bot)
    await bot.settled()

    status, body = await bot.ask()

    assert (status, body["status"]) == (200, "done")
    assert len(github.pulls) == 1


async def test_a_failed_build_may_be_forced(bot: Bot, github: Sandbox, runner: QuickRunner) -> None:
    runner.conclusion = "failure"
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    runner.conclusion = "success"
    outcome = await bot.app[keys.DISPATCHER].request(target_of(DEBIAN), force=True)

    assert outcome.build is not None
    assert outcome.build.id != asked["build_id"]
    assert (await bot.finished(outcome.build.id))["status"] == "done"
    assert len(github.runs) == 2


async def test_a_failure_is_forgotten_after_a_while(
    settings: Settings, github: Sandbox, runner: QuickRunner
) -> None:
    forgetful = dataclasses.replace(settings, failure_seconds=0.001)
    async with running_bot(forgetful, github) as bot:
        runner.conclusion = "failure"
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])

        runner.conclusion = "success"
        status, again = await bot.ask()
        assert status == 202
        assert (await bot.finished(again["build_id"]))["status"] == "done"


async def test_a_successful_run_without_its_package_is_an_error(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.publishes = False
    _, asked = await bot.ask()
    ended = await bot.finished(asked["build_id"])

    assert ended["status"] == "error"
    assert "has no hello-debian-6.1.0-38-amd64" in ended["error"]
    assert github.pulls == []
