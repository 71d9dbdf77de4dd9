"""Runs that the store does not know: by hand, by a bot that lost its store, and runs run again."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import update

from kmodbot.bot import keys
from kmodbot.bot.app import create_app
from kmodbot.bot.build import Phase
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.tables import builds
from kmodbot.sandbox import Fault
from tests.bot.conftest import DEBIAN, Bot, dispatch_by_hand, eventually, running_bot, target_of
from tests.bot.maintainer import Maintainer
from tests.bot.test_webhooks import deliver, signed

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.bot.build import Build
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import QuickRunner


async def test_a_run_started_by_hand_has_its_kernel_proposed(bot: Bot, github: Sandbox) -> None:
    await dispatch_by_hand(bot)
    await bot.settled()

    assert len(github.pulls) == 1
    status, body = await bot.ask()
    assert (status, body["status"]) == (200, "done")
    assert len(github.runs) == 1


async def test_a_node_that_asks_meanwhile_waits_for_the_run_started_by_hand(
    bot: Bot, github: Sandbox
) -> None:
    github.hold_runs()
    await dispatch_by_hand(bot)
    await bot.settled()

    status, asked = await bot.ask()
    github.release_runs()

    assert status == 202
    assert (await bot.finished(asked["build_id"]))["status"] == "done"
    assert (len(github.runs), len(github.pulls)) == (1, 1)


async def test_a_run_started_by_hand_that_fails_is_remembered_like_any_other(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.conclusion, runner.may_end = "failure", asyncio.Event()
    await dispatch_by_hand(bot)
    await eventually(lambda: is_known(bot, github.runs[0].id))
    runner.may_end.set()
    await bot.settled()

    outcome = await bot.app[keys.DISPATCHER].request(target_of(DEBIAN))

    assert outcome.build is not None
    assert outcome.build.phase is Phase.ERROR
    assert len(github.runs) == 1


async def test_a_run_started_by_hand_on_another_branch_proves_nothing(
    bot: Bot, github: Sandbox
) -> None:
    github.hold_runs()
    await dispatch_by_hand(bot)
    github.runs[0].head_branch = "evil"
    github.release_runs()
    await bot.settled()

    assert await bot.app[keys.BUILDS].kernels() == set()
    assert github.pulls == []


async def test_a_run_whose_package_is_missing_proposes_nothing(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.publishes = False
    await dispatch_by_hand(bot)
    await bot.settled()
    await bot.reconcile()

    assert github.pulls == []


async def test_a_second_run_for_a_known_package_changes_nothing(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    runner.publishes = False

    await dispatch_by_hand(bot)
    await dispatch_by_hand(bot, build_id=asked["build_id"])
    await bot.settled()

    build = await build_of(bot, asked["build_id"])
    assert (build.phase, build.run_id) == (Phase.DONE, github.runs[0].id)
    assert len(github.pulls) == 1


async def test_a_run_by_hand_is_found_when_its_webhooks_are_lost(
    settings: Settings, github: Sandbox
) -> None:
    github.faults.add(Fault(event="workflow_run", kind="lost", times=99))
    often = dataclasses.replace(settings, redeliver_seconds=1e-6)
    async with running_bot(often, github) as bot:
        await dispatch_by_hand(bot)
        await bot.settled()
        assert github.pulls == []

        await bot.reconcile()
        await bot.reconcile()

    assert len(github.pulls) == 1


@pytest.mark.parametrize("joined", [False, True])
async def test_a_build_that_was_given_up_gets_its_run_after_all(
    bot: Bot, github: Sandbox, joined: bool
) -> None:
    github.hold_runs()
    github.faults.add(Fault(method="POST", path="/dispatches", kind="lost_answer"))
    await bot.ask()
    (build,) = await bot.app[keys.BUILDS].queued(datetime.now(UTC))
    await bot.app[keys.BUILDS].failed(build.id, "no run was seen", remembered=False)
    await bot.settled()
    if joined:
        # Another build of the same target holds the reservation.
        assert (await bot.ask())[0] == 202
    github.release_runs()
    await bot.settled()
    await bot.reconcile()

    after = await build_of(bot, build.id)
    assert (after.phase, after.run_id, after.proposed) == (Phase.DONE, github.runs[0].id, True)
    assert after.error is None
    assert len(github.pulls) == 1


async def test_nodes_join_a_build_that_was_given_up_while_its_run_goes_on(
    settings: Settings, github: Sandbox
) -> None:
    github.hold_runs()
    github.faults.add(Fault(event="workflow_run", kind="lost", times=99))
    github.faults.add(Fault(method="POST", path="/dispatches", kind="lost_answer"))
    often = dataclasses.replace(settings, redeliver_seconds=1e-6)
    async with running_bot(often, github) as bot:
        await bot.ask()
        (build,) = await bot.app[keys.BUILDS].queued(datetime.now(UTC))
        await bot.app[keys.BUILDS].failed(build.id, "no run was seen", remembered=False)
        await bot.reconcile()
        status, joined = await bot.ask()

    assert (status, joined["build_id"]) == (202, build.id)
    assert len(github.runs) == 1


class TestALostStore:
    async def test_runs_that_go_on_are_known_again(
        self, settings: Settings, github: Sandbox, tmp_path: Path
    ) -> None:
        github.hold_runs()
        async with running_bot(settings, github) as bot:
            _, first = await bot.ask()
        lose(tmp_path)

        async with running_bot(settings, github) as bot:
            status, again = await bot.ask()
            assert (status, again["build_id"]) == (202, first["build_id"])
            github.release_runs()
            assert (await bot.finished(first["build_id"]))["status"] == "done"

        assert (len(github.runs), len(github.pulls)) == (1, 1)

    async def test_runs_that_have_ended_have_their_kernels_proposed(
        self, settings: Settings, github: Sandbox, tmp_path: Path
    ) -> None:
        github.faults.add(Fault(event="workflow_run", kind="lost", times=99))
        async with running_bot(settings, github) as bot:
            _, asked = await bot.ask()
            await github.settled()
        lose(tmp_path)

        async with running_bot(settings, github) as bot:
            assert (await bot.status(asked["build_id"]))["status"] == "done"
            await bot.reconcile()

        assert (len(github.runs), len(github.pulls)) == (1, 1)

    async def test_what_is_proposed_already_is_not_proposed_again(
        self, settings: Settings, github: Sandbox, tmp_path: Path
    ) -> None:
        async with running_bot(settings, github) as bot:
            _, asked = await bot.ask()
            await bot.finished(asked["build_id"])
        lose(tmp_path)

        async with running_bot(settings, github) as bot:
            await bot.reconcile()
            assert await bot.app[keys.BUILDS].unproposed() == []

        assert len(github.pulls) == 1

    async def test_what_was_declined_is_not_proposed_again(
        self, settings: Settings, github: Sandbox, tmp_path: Path
    ) -> None:
        build_id = await declined_before_the_store_was_lost(settings, github, tmp_path)

        async with running_bot(settings, github) as bot:
            await bot.reconcile()
            assert (await bot.status(build_id))["status"] == "done"
            assert await bot.app[keys.BUILDS].unproposed() == []
            assert len(github.pulls) == 1

            # A newer driver is another question.
            await dispatch_by_hand(bot, driver_version="v0.2.0")
            await bot.settled()

        assert len(github.pulls) == 2

    async def test_what_was_declined_is_not_proposed_again_when_a_node_asks(
        self, settings: Settings, github: Sandbox, tmp_path: Path
    ) -> None:
        await declined_before_the_store_was_lost(settings, github, tmp_path)
        # GitHub keeps runs for a while, and packages for good.
        github.runs.clear()

        async with running_bot(settings, github) as bot:
            status, answer = await bot.ask()
            await bot.reconcile()
            assert (status, answer["status"]) == (200, "done")
            assert await bot.app[keys.BUILDS].unproposed() == []

        assert len(github.pulls) == 1

    async def test_what_was_declined_is_not_proposed_again_to_a_new_owner(
        self, settings: Settings, github: Sandbox, tmp_path: Path
    ) -> None:
        build_id = await declined_before_the_store_was_lost(settings, github, tmp_path)
        github.rename("umbrella/hello-driver")

        async with running_bot(settings, github) as bot:
            await bot.reconcile()
            assert (await bot.status(build_id))["status"] == "done"
            assert await bot.app[keys.BUILDS].unproposed() == []

        assert len(github.pulls) == 1


async def decline(github: Sandbox) -> None:
    """Close the only pull request and delete its branch."""
    (pull,) = github.pulls
    maintainer = Maintainer(github)
    await maintainer.close(pull.number)
    await maintainer.delete_branch(pull.head_ref)


async def declined_before_the_store_was_lost(
    settings: Settings, github: Sandbox, directory: Path
) -> str:
    """Have a kernel built whose pull request is declined, and lose the store; return the build."""
    async with running_bot(settings, github) as bot:
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])
        await decline(github)
    lose(directory)
    build_id: str = asked["build_id"]
    return build_id


class TestAnOlderBackup:
    """The store is as it was before: what came after must not come about twice."""

    async def test_a_run_is_not_started_again_by_who_asks_at_once(
        self, settings: Settings, github: Sandbox, tmp_path: Path
    ) -> None:
        github.hold_runs()
        async with running_bot(settings, github):
            """Make a store."""
        backup = (tmp_path / "kmodbot.db").read_bytes()
        async with running_bot(settings, github) as bot:
            _, first = await bot.ask()
            assert len(github.runs) == 1
        lose(tmp_path)
        (tmp_path / "kmodbot.db").write_bytes(backup)

        # Without the pause in which a bot of the other tests looks round.
        app = create_app(settings)
        async with TestClient(TestServer(app)) as client:
            status, again = await Bot(client, app, github).ask()

        assert (status, again["build_id"]) == (202, first["build_id"])
        assert len(github.runs) == 1

    async def test_a_build_that_had_not_been_started_is_found_started(
        self, settings: Settings, github: Sandbox
    ) -> None:
        github.faults.add(Fault(event="workflow_run", kind="lost", times=99))
        github.hold_runs()
        async with running_bot(settings, github) as bot:
            _, asked = await bot.ask()
        database = Database(settings.database_url)
        async with database.writing() as connection:
            await connection.execute(
                update(builds).values(
                    phase=Phase.QUEUED, run_id=None, run_url=None, claims=0, claimed_at=None
                )
            )
        await database.close()

        async with running_bot(settings, github) as bot:
            await bot.reconcile()
            build = await build_of(bot, asked["build_id"])

        assert build.run_id == github.runs[0].id
        assert len(github.runs) == 1


class TestReruns:
    async def test_a_build_is_in_progress_again_while_its_run_is_run_again(
        self, bot: Bot, github: Sandbox, runner: QuickRunner
    ) -> None:
        runner.conclusion = "failure"
        _, asked = await bot.ask()
        assert (await bot.finished(asked["build_id"]))["status"] == "error"

        runner.conclusion, runner.may_end = "success", asyncio.Event()
        await Maintainer(github).rerun(github.runs[0].id)
        await eventually(lambda: is_in_progress(bot, asked["build_id"]))
        status, joined = await bot.ask()
        runner.may_end.set()
        ended = await bot.finished(asked["build_id"])

        assert (status, joined["build_id"]) == (202, asked["build_id"])
        assert (ended["status"], ended["error"]) == ("done", None)
        assert (len(github.runs), len(github.pulls)) == (1, 1)

    async def test_a_rerun_that_fails_too_says_so_anew(
        self, bot: Bot, github: Sandbox, runner: QuickRunner
    ) -> None:
        runner.conclusion = "failure"
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])
        before = await build_of(bot, asked["build_id"])

        await Maintainer(github).rerun(github.runs[0].id)
        await bot.settled()

        after = await build_of(bot, asked["build_id"])
        assert (after.phase, after.run_attempt) == (Phase.ERROR, 2)
        assert after.failed_at != before.failed_at

    async def test_late_news_of_the_first_attempt_do_not_end_the_second(
        self, bot: Bot, github: Sandbox, runner: QuickRunner
    ) -> None:
        runner.conclusion = "failure"
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])
        (old,) = (each for each in github.deliveries if each.action == "completed")
        github.hold_runs()
        await Maintainer(github).rerun(github.runs[0].id)
        await bot.app[keys.BUILDS].rerun(await build_of(bot, asked["build_id"]), attempt=2)

        body = json.dumps(old.payload).encode()
        late = signed(body, github.webhook_secret, X_GitHub_Delivery="late")
        assert (await deliver(bot, body, late))[0] == 202
        await bot.settled()

        assert (await bot.status(asked["build_id"]))["status"] == "in_progress"

    @pytest.mark.parametrize("conclusion", ["success", "failure"])
    async def test_a_rerun_whose_webhooks_are_lost_is_found_in_the_list(
        self, settings: Settings, github: Sandbox, runner: QuickRunner, conclusion: str
    ) -> None:
        runner.conclusion = "failure"
        often = dataclasses.replace(settings, redeliver_seconds=1e-6)
        async with running_bot(often, github) as bot:
            _, asked = await bot.ask()
            await bot.finished(asked["build_id"])
            github.faults.add(Fault(event="workflow_run", kind="lost", times=99))
            runner.conclusion = conclusion
            await Maintainer(github).rerun(github.runs[0].id)
            await github.settled()

            await bot.reconcile()

            expected = {"success": "done", "failure": "error"}[conclusion]
            assert (await bot.status(asked["build_id"]))["status"] == expected


def lose(directory: Path) -> None:
    """Lose the store."""
    for name in ("kmodbot.db", "kmodbot.db-wal", "kmodbot.db-shm"):
        (directory / name).unlink(missing_ok=True)


async def build_of(bot: Bot, build_id: str) -> Build:
    build = await bot.app[keys.BUILDS].get(build_id)
    assert build is not None
    return build


async def is_known(bot: Bot, run_id: int) -> bool:
    return await bot.app[keys.BUILDS].of_run(run_id) is not None


async def is_in_progress(bot: Bot, build_id: str) -> bool:
    return bool((await bot.status(build_id))["phase"] == "building")
