"""Runs that do not end, dispatches without an answer, older servers, a day without GitHub."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from kmodbot.bot import keys
from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.github.errors import GitHubUnreachable
from kmodbot.bot.secrets import Secret
from kmodbot.sandbox import Fault, Sandbox
from tests.bot.conftest import (
    CONTENT,
    DEBIAN,
    FAR_FUTURE,
    dispatch_by_hand,
    eventually,
    reconciled_to,
    running_bot,
    target_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.bot.settings import Settings
    from tests.bot.conftest import Bot, QuickRunner


class TestOverdueBuilds:
    async def test_what_ended_while_no_bot_ran_is_seen_after_the_next_start(
        self, settings: Settings, github: Sandbox
    ) -> None:
        patient = dataclasses.replace(settings, overdue_seconds=900, repair_seconds=1e-6)
        async with running_bot(patient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
        github.release_runs()
        await github.settled()

        async with running_bot(patient, github) as bot:
            await bot.reconcile()
            assert (await bot.status(asked["build_id"]))["status"] == "done"

    async def test_a_run_that_does_not_end_is_cancelled_and_the_error_says_so(
        self, settings: Settings, github: Sandbox
    ) -> None:
        impatient = dataclasses.replace(settings, build_seconds=0.001)
        async with running_bot(impatient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            await bot.reconcile()
            ended = await bot.status(asked["build_id"])

        assert ended["status"] == "error"
        assert ended["error"].startswith("timed out: its run did not end within 0 s")
        assert ended["error"].endswith(ended["run_url"])
        assert github.runs[0].conclusion == "cancelled"

    async def test_a_run_that_cannot_be_cancelled_any_more_is_no_problem(
        self, settings: Settings, github: Sandbox
    ) -> None:
        impatient = dataclasses.replace(settings, build_seconds=0.001)
        github.faults.add(Fault(path="/cancel$", kind="status", status=409))
        async with running_bot(impatient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            await bot.reconcile()

            assert (await bot.status(asked["build_id"]))["status"] == "error"

    @pytest.mark.parametrize("status", [403, 500])
    async def test_a_run_that_cannot_be_cancelled_is_given_up_after_some_tries(
        self,
        settings: Settings,
        github: Sandbox,
        monkeypatch: pytest.MonkeyPatch,
        status: int,
    ) -> None:
        impatient = dataclasses.replace(settings, build_seconds=0.001)
        github.faults.add(Fault(path="/cancel$", kind="status", status=status, times=99))
        async with running_bot(impatient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            await bot.reconcile()
            assert (await bot.status(asked["build_id"]))["status"] == "in_progress"

            monkeypatch.setattr("kmodbot.bot.completion._CANCEL_SECONDS", 0)
            for _ in range(3):
                await bot.reconcile()
            ended = await bot.status(asked["build_id"])

        assert (ended["status"], "cannot be cancelled" in ended["error"]) == ("error", True)
        assert bot.calls("POST", "/cancel") == 2

    async def test_a_build_whose_run_was_lost_to_another_ends(
        self, settings: Settings, github: Sandbox, tmp_path: Path
    ) -> None:
        impatient = dataclasses.replace(settings, build_seconds=0.001)
        async with running_bot(impatient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            # As an earlier version left it.
            with sqlite3.connect(tmp_path / "kmodbot.db") as connection:
                connection.execute("UPDATE builds SET run_id = NULL")
            connection.close()
            await bot.reconcile()

            assert (await bot.status(asked["build_id"]))["error"] == "its run is not known any more"

    async def test_a_run_that_publishes_in_spite_of_it_brings_its_build_back(
        self, settings: Settings, github: Sandbox
    ) -> None:
        impatient = dataclasses.replace(settings, build_seconds=0.001)
        github.faults.add(Fault(path="/cancel$", kind="status", status=409))
        async with running_bot(impatient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            await bot.reconcile()
            github.release_runs()
            await bot.settled()

            assert (await bot.status(asked["build_id"]))["status"] == "done"

    async def test_a_run_that_is_in_no_list_is_asked_for_by_its_id(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.faults.add(Fault(event="workflow_run", kind="lost", times=9))
        _, asked = await bot.ask()
        await github.settled()
        # As if a thousand other runs had been started since.
        github.runs[0].created_at -= timedelta(days=1)

        await bot.reconcile()

        assert (await bot.status(asked["build_id"]))["status"] == "done"
        assert bot.calls("GET", f"/actions/runs/{github.runs[0].id}") == 1

    async def test_a_run_that_was_deleted_ends_its_build(self, bot: Bot, github: Sandbox) -> None:
        github.hold_runs()
        _, asked = await bot.ask()
        github.runs.clear()

        await bot.reconcile()

        assert (await bot.status(asked["build_id"]))["error"] == "its run was deleted"


class TestOlderServers:
    @pytest.mark.parametrize("answer", ["ignored", "refused"])
    async def test_a_run_whose_id_is_not_told_is_found_by_its_title(
        self, settings: Settings, github: Sandbox, answer: Literal["ignored", "refused"]
    ) -> None:
        github.run_details = answer
        github.hold_runs()
        hasty = dataclasses.replace(settings, claim_seconds=0.2)
        async with running_bot(hasty, github) as bot:
            status, asked = await bot.ask()
            await eventually(lambda: is_dispatched(bot, asked["build_id"]))
            github.release_runs()
            ended = await bot.finished(asked["build_id"])

        assert (status, ended["status"]) == (202, "done")
        assert (len(github.runs), len(github.pulls)) == (1, 1)

    @pytest.mark.parametrize("answer", ["ignored", "refused"])
    async def test_its_end_is_heard_of_even_before_it_is_found(
        self, bot: Bot, github: Sandbox, answer: Literal["ignored", "refused"]
    ) -> None:
        github.run_details = answer
        _, asked = await bot.ask()

        assert (await bot.finished(asked["build_id"]))["status"] == "done"
        assert (len(github.runs), len(github.pulls)) == (1, 1)


class TestDispatches:
    async def test_an_endpoint_that_is_away_for_a_while_costs_no_build(
        self, settings: Settings, github: Sandbox
    ) -> None:
        hasty = dataclasses.replace(settings, claim_seconds=0.05)
        github.faults.add(Fault(path="/dispatches", kind="status", status=502, times=6))
        async with running_bot(hasty, github) as bot:
            await bot.ask()
            (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)
            await eventually(lambda: reconciled_to(bot, github, runs=1))

            assert (await bot.finished(build.id))["status"] == "done"

    async def test_runs_that_were_started_by_hand_are_not_taken_for_its_own(
        self, settings: Settings, github: Sandbox, runner: QuickRunner
    ) -> None:
        hasty = dataclasses.replace(settings, claim_seconds=0.05)
        runner.conclusion = "failure"
        async with running_bot(hasty, github) as bot:
            for _ in range(3):
                await dispatch_by_hand(bot)
            await bot.settled()
            github.faults.add(Fault(path="/dispatches", kind="status", status=502))
            await bot.ask()

            await eventually(lambda: reconciled_to(bot, github, runs=4))

    async def test_one_that_stays_away_ends_the_build_by_its_age(
        self, settings: Settings, github: Sandbox
    ) -> None:
        hasty = dataclasses.replace(settings, claim_seconds=0.05, build_seconds=0.001)
        github.faults.add(Fault(path="/dispatches", kind="status", status=502, times=99))
        async with running_bot(hasty, github) as bot:
            await bot.ask()
            (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)
            await eventually(lambda: has_failed(bot, build.id))

            assert "no run was seen after 3 tries" in (await bot.status(build.id))["error"]
            assert bot.calls("POST", "/dispatches") == 3

    async def test_a_build_that_waits_for_its_turn_to_write_is_not_claimed(
        self, settings: Settings, github: Sandbox
    ) -> None:
        hasty = dataclasses.replace(settings, claim_seconds=0.05)
        async with running_bot(hasty, github) as bot:
            async with bot.app[keys.GITHUB].turn():
                _, asked = await bot.ask()
                waiting = [asyncio.create_task(bot.reconcile()) for _ in range(5)]
                await eventually(lambda: bot.calls("GET", "/hook/deliveries") > 0)
                build = await bot.app[keys.BUILDS].get(asked["build_id"])
                assert build is not None
                assert (build.claims, build.claimed_at) == (0, None)
            await asyncio.gather(*waiting)

            assert (await bot.finished(asked["build_id"]))["status"] == "done"
            assert len(github.runs) == 1

    async def test_a_connection_that_does_not_come_about_uses_up_no_try(
        self, bot: Bot, github: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def unreachable(*_: object) -> None:
            raise GitHubUnreachable("no route to host")

        monkeypatch.setattr("kmodbot.bot.github.runs.Runs._post", unreachable)
        status, _ = await bot.ask()

        (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)
        assert (status, build.claims) == (503, 0)

    async def test_a_run_that_the_list_does_not_show_yet_is_not_started_again(
        self, settings: Settings, github: Sandbox
    ) -> None:
        patient = dataclasses.replace(settings, claim_seconds=0.05, lag_seconds=0.5)
        github.hold_runs()
        github.faults.add(Fault(event="workflow_run", kind="lost", times=99))
        github.faults.add(Fault(method="POST", path="/dispatches", kind="lost_answer"))
        github.faults.add(Fault(path="/runs$", kind="lag", seconds=0.4, times=9999))
        async with running_bot(patient, github) as bot:
            await bot.ask()
            (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)
            await eventually(lambda: is_dispatched(bot, build.id))

        assert len(github.runs) == 1

    async def test_a_dispatch_that_arrived_late_has_its_time_in_full(
        self, settings: Settings, github: Sandbox
    ) -> None:
        patient = dataclasses.replace(settings, claim_seconds=30, lag_seconds=60)
        async with running_bot(patient, github) as bot:
            builds, dispatcher = bot.app[keys.BUILDS], bot.app[keys.DISPATCHER]
            now = await builds.now()
            for number, seconds in ((37, 79), (38, 81)):
                target = target_of(DEBIAN | {"kernel_version": f"6.1.0-{number}-amd64"})
                build, _ = await builds.reserve(str(number), target, now)
                await builds.claim(build, now - timedelta(seconds=seconds))

            # It may have been sent up to 20 s after its claim.
            assert [build.id for build in await dispatcher.waiting()] == ["38"]

    async def test_the_news_of_a_run_make_up_for_the_lost_answer_to_its_dispatch(
        self, settings: Settings, github: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kmodbot.bot.completion._ANSWER_SECONDS", 0.05)
        patient = dataclasses.replace(settings, lag_seconds=60)
        github.hold_runs()
        github.faults.add(Fault(method="POST", path="/dispatches", kind="lost_answer"))
        github.faults.add(Fault(path="/runs$", kind="lag", seconds=999, times=9999))
        async with running_bot(patient, github) as bot:
            await bot.ask()
            (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)

            async def is_known() -> bool:
                return bool((await bot.status(build.id))["phase"] == "dispatched")

            await eventually(is_known)
            assert bot.calls("GET", f"/actions/runs/{github.runs[0].id}") == 1
            assert len(github.runs) == 1


class TestOutages:
    async def test_a_request_outlives_an_outage_of_a_day(
        self, settings: Settings, github: Sandbox
    ) -> None:
        hasty = dataclasses.replace(settings, claim_seconds=0.05)
        async with running_bot(hasty, github) as bot:
            github.faults.add(Fault(path="/dispatches", kind="status", status=503))
            status, _ = await bot.ask()
            assert status == 503
            github.faults.add(Fault(path="", kind="reset", times=9999))
            (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)

            for _ in range(10):
                (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)
                with contextlib.suppress(DispatchFailed):
                    await bot.app[keys.DISPATCHER].dispatch(build)

            github.faults.clear()
            await eventually(lambda: reconciled_to(bot, github, runs=1))
            assert (await bot.finished(build.id))["status"] == "done"

    async def test_the_clock_of_this_machine_need_not_be_right(
        self, settings: Settings, tmp_path: Path, github: Sandbox, runner: QuickRunner
    ) -> None:
        def ahead() -> datetime:
            return datetime.now(UTC) + timedelta(minutes=20)

        other = Sandbox(tmp_path / "ahead", content=CONTENT, runner=runner, clock=ahead)
        async with other as skewed:
            environment = skewed.environment()
            there = dataclasses.replace(
                settings,
                api_url=skewed.api_url,
                private_key=Secret(environment["GITHUB_APP_PRIVATE_KEY"]),
                webhook_secrets=(Secret(skewed.webhook_secret),),
            )
            async with running_bot(there, skewed) as bot:
                _, asked = await bot.ask()
                assert (await bot.finished(asked["build_id"]))["status"] == "done"


async def has_failed(bot: Bot, build_id: str) -> bool:
    await bot.reconcile()
    return bool((await bot.status(build_id))["status"] == "error")


async def is_dispatched(bot: Bot, build_id: str) -> bool:
    await bot.reconcile()
    return bool((await bot.status(build_id))["phase"] == "dispatched")
