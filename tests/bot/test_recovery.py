"""Outages, limits, lost and contradicting news: the bot goes on, and comes right in the end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import re
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Literal

import pytest

from kmodbot.bot import keys
from kmodbot.bot.auth.tokens import ApiToken
from kmodbot.bot.dispatch import DispatchFailed
from kmodbot.bot.github.errors import GitHubUnreachable
from kmodbot.bot.secrets import Secret
from kmodbot.bot.store.deliveries import Deliveries
from kmodbot.sandbox import Fault, Sandbox
from tests.bot.conftest import (
    CONTENT,
    WORKFLOW,
    eventually,
    git,
    is_one_commit_above_main,
    running_bot,
)
from tests.bot.test_webhooks import RUN, deliver, signed

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.bot.settings import Settings
    from tests.bot.conftest import Bot, QuickRunner

FAR_FUTURE = datetime(2999, 1, 1, tzinfo=UTC)


async def test_the_workers_survive_an_error_of_the_store(
    bot: Bot, github: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([True, True])
    next_due = Deliveries.next_due

    async def locked_twice(self: Deliveries) -> datetime | None:
        if next(failures, False):
            raise sqlite3.OperationalError("database is locked")
        return await next_due(self)

    monkeypatch.setattr("kmodbot.bot.workers._SECONDS_AFTER_AN_ERROR", 0.01)
    monkeypatch.setattr(Deliveries, "next_due", locked_twice)

    _, asked = await bot.ask()

    assert (await bot.status(asked["build_id"], wait=30))["status"] == "done"
    await eventually(lambda: len(github.pulls) == 1)
    assert list(failures) == []


async def test_a_database_of_another_github_does_no_harm(
    settings: Settings, tmp_path: Path, github: Sandbox
) -> None:
    async with running_bot(settings, github) as bot:
        _, first = await bot.ask()
        await bot.finished(first["build_id"])
    with sqlite3.connect(tmp_path / "kmodbot.db") as connection:
        connection.execute("UPDATE builds SET run_id = run_id + 1000000")
        taken = connection.execute("SELECT run_id FROM builds").fetchone()[0]
    connection.close()

    async with running_bot(settings, github) as bot:
        # The next run gets the id that the database knows from elsewhere.
        github.hold_runs()
        _, second = await bot.ask(kernel_version="6.1.0-39-amd64")
        await bot.app[keys.BUILDS].dispatched(second["build_id"], taken, "https://x.example")
        github.release_runs()
        assert (await bot.finished(second["build_id"]))["status"] == "done"


class TestMissingInstallation:
    async def test_an_app_that_is_not_installed_breaks_nothing(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        _, asked = await bot.ask()
        bot.app[keys.CHANGES].announce(asked["build_id"])
        github.faults.add(Fault(path="/actions/runs/", kind="status", status=401, times=2))
        github.faults.add(
            Fault(path="access_tokens|/installation$", kind="status", status=404, times=9)
        )

        await bot.reconcile()

        assert (await bot.status(asked["build_id"]))["status"] == "in_progress"
        github.faults.clear()
        github.release_runs()
        await bot.settled()
        await bot.reconcile()
        assert (await bot.status(asked["build_id"]))["status"] == "done"

    async def test_the_answer_is_try_again_and_the_log_says_what_to_look_at(
        self, bot: Bot, github: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        github.faults.add(
            Fault(path="access_tokens|/installation$", kind="status", status=404, times=9)
        )

        status, body = await bot.ask()

        assert (status, body["error"]["code"]) == (503, "github_unavailable")
        assert "GITHUB_APP_ID or GITHUB_REPOSITORY is wrong" in caplog.text


class TestRunsThatLie:
    async def test_a_run_that_is_missing_for_a_moment_is_not_given_up(
        self, settings: Settings, github: Sandbox
    ) -> None:
        patient = dataclasses.replace(settings, lag_seconds=60)
        async with running_bot(patient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            github.faults.add(Fault(path="/actions/runs/", kind="status", status=404))
            await bot.reconcile()
            assert (await bot.status(asked["build_id"]))["status"] == "in_progress"

            github.release_runs()
            assert (await bot.finished(asked["build_id"]))["status"] == "done"

    async def test_a_package_that_is_missing_for_a_moment_is_waited_for(
        self, settings: Settings, github: Sandbox
    ) -> None:
        patient = dataclasses.replace(settings, lag_seconds=60)
        async with running_bot(patient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            github.faults.add(Fault(path="/releases/tags/", kind="status", status=404, times=999))
            github.release_runs()
            await eventually(lambda: bot.calls("GET", "v0.1.0-debian-12-x86_64") > 3)
            assert (await bot.status(asked["build_id"]))["status"] == "in_progress"

            github.faults.clear()
            assert (await bot.finished(asked["build_id"]))["status"] == "done"
            assert len(github.pulls) == 1
            assert {each.attempts for each in await bot.app[keys.DELIVERIES].list(None, 9)} == {0}

    async def test_an_end_that_is_not_seen_at_once_is_looked_for_again(
        self, settings: Settings, github: Sandbox, runner: QuickRunner
    ) -> None:
        patient = dataclasses.replace(settings, lag_seconds=60)
        runner.conclusion = "startup_failure"
        async with running_bot(patient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            run = f"/actions/runs/{github.runs[0].id}"
            github.faults.add(Fault(path=f"{run}$", kind="status", status=404, times=3))
            github.faults.add(Fault(path=f"{run}/jobs$", kind="status", status=404, times=99))
            github.release_runs()

            assert (await bot.finished(asked["build_id"]))["status"] == "error"
            assert bot.calls("GET", run) == 4

    async def test_a_run_that_never_ends_is_given_up(
        self, settings: Settings, github: Sandbox
    ) -> None:
        impatient = dataclasses.replace(settings, build_seconds=0.001)
        async with running_bot(impatient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            await bot.reconcile()

            ended = await bot.status(asked["build_id"])
            assert (ended["status"], "did not end" in ended["error"]) == ("error", True)

    async def test_a_run_on_another_branch_is_not_taken_for_the_lost_one(
        self, settings: Settings, github: Sandbox
    ) -> None:
        github.hold_runs()
        github.faults.add(Fault(method="POST", path="/dispatches", kind="lost_answer"))
        async with running_bot(settings, github) as bot:
            await bot.ask()
        # While no bot looks, so that none can find the run as it was.
        github.runs[0].head_branch = "evil"

        hasty = dataclasses.replace(settings, claim_seconds=0.2)
        async with running_bot(hasty, github) as bot:
            await eventually(lambda: reconciled_to(bot, github, runs=2))

        assert github.runs[1].head_branch == "main"


class TestAWorkflowThatHidesItsBuild:
    @pytest.fixture
    def content(self) -> dict[str, bytes]:
        without_title = re.sub(r"run-name: >-\n(  .*\n)+", "run-name: my own title\n", WORKFLOW)
        return CONTENT | {".github/workflows/driver-build.yml": without_title.encode()}

    async def test_it_does_not_run_for_ever(self, settings: Settings, github: Sandbox) -> None:
        hasty = dataclasses.replace(settings, claim_seconds=0.05)
        github.hold_runs()
        github.faults.add(Fault(method="POST", path="/dispatches", kind="lost_answer", times=99))
        async with running_bot(hasty, github) as bot:
            await bot.ask()
            (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)

            async def gave_up() -> bool:
                await bot.reconcile()
                return bool((await bot.status(build.id))["status"] == "error")

            await eventually(gave_up)
            assert "run-name" in (await bot.status(build.id))["error"]
            assert 1 <= len(github.runs) <= 3


async def test_a_rerun_of_a_failed_run_brings_its_build_back(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.conclusion = "failure"
    _, asked = await bot.ask()
    assert (await bot.finished(asked["build_id"]))["status"] == "error"

    runner.conclusion = "success"
    await rerun(bot, github.runs[0].id)
    await bot.settled()

    assert (await bot.status(asked["build_id"]))["status"] == "done"
    assert len(github.pulls) == 1


async def test_a_package_without_a_build_is_proposed_when_a_node_asks_for_it(
    settings: Settings, github: Sandbox, tmp_path: Path
) -> None:
    async with running_bot(settings, github) as bot:
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])
    git(github, "update-ref", "-d", "refs/heads/" + github.pulls[0].head_ref)
    github.pulls.clear()
    for name in ("kmodbot.db", "kmodbot.db-wal", "kmodbot.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)

    async with running_bot(settings, github) as bot:
        status, _ = await bot.ask()
        await bot.reconcile()

    assert status == 200
    assert (len(github.runs), len(github.pulls)) == (1, 1)


async def test_a_package_that_somebody_replaced_is_described_as_it_is_now(
    settings: Settings, github: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful = dataclasses.replace(settings, index_seconds=1e-9)
    async with running_bot(forgetful, github) as bot:
        _, asked = await bot.ask()
        before = await bot.finished(asked["build_id"])
        await bot.ask()
        monkeypatch.setattr("kmodbot.bot.packages._SECONDS_A_DIGEST_HOLDS", 0)
        (asset,) = github.releases[0].assets
        asset.digest = "sha256:" + "1" * 64

        status, body = await bot.ask()

        assert status == 200
        assert body["sha256"] == "1" * 64 != before["sha256"]
        assert (await bot.status(asked["build_id"]))["sha256"] == body["sha256"]


async def test_a_pull_request_that_is_refused_waits_longer_each_time(
    bot: Bot, github: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    def longest(_low: float, high: float) -> float:
        pauses.append(high)
        return high if len(pauses) > 2 else 0

    monkeypatch.setattr("kmodbot.bot.proposals.random.uniform", longest)
    refusal = Fault(method="POST", path="/git/refs", kind="status", status=403, times=99)
    github.faults.add(refusal)
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    async def refused_again() -> bool:
        await bot.reconcile()
        return len(pauses) == 3

    await eventually(refused_again)
    for _ in range(3):
        await bot.reconcile()

    assert pauses == [120, 240, 480]
    assert bot.calls("POST", "/git/refs") == 3
    assert "cannot be proposed, tried again at" in caplog.text
    async with bot.client.get("/metrics") as answer:
        assert "kmodbot_proposals_refused 1.0" in await answer.text()
    assert {each.state for each in await bot.app[keys.DELIVERIES].list(None, 9)} == {"done"}


async def test_a_known_package_is_named_while_github_is_away(
    settings: Settings, github: Sandbox
) -> None:
    forgetful = dataclasses.replace(settings, index_seconds=1e-9)
    async with running_bot(forgetful, github) as bot:
        _, asked = await bot.ask()
        ended = await bot.finished(asked["build_id"])
        github.faults.add(Fault(kind="reset", times=99))

        status, body = await bot.ask()

        assert (status, body["sha256"]) == (200, ended["sha256"])


async def test_a_limit_is_obeyed_in_silence(
    bot: Bot, github: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    github.faults.add(Fault(path="/dispatches", kind="secondary_limit", seconds=3600))
    status, first = await bot.ask(driver_version="v0.2.0")
    assert (status, first["error"]["code"]) == (503, "github_unavailable")
    before = len(github.calls)

    for _ in range(5):
        await bot.reconcile()
    assert len(github.calls) == before

    hours_later = time.monotonic() + 3601
    clock = SimpleNamespace(monotonic=lambda: hours_later)
    monkeypatch.setattr("kmodbot.bot.github.pace.time", clock)
    (build,) = await bot.app[keys.BUILDS].queued(FAR_FUTURE)
    await bot.app[keys.DISPATCHER].dispatch(build)
    assert len(github.runs) == 2


class TestDeliveries:
    async def test_deliveries_wait_while_github_is_away(
        self, bot: Bot, github: Sandbox, settings: Settings
    ) -> None:
        github.faults.add(Fault(path="/actions/runs/", kind="status", status=502, times=50))
        secret = settings.webhook_secrets[0].reveal()
        for number in range(12):
            body = json.dumps(RUN | {"workflow_run": {"id": number}}).encode()
            await deliver(bot, body, signed(body, secret, X_GitHub_Delivery=f"guid-{number}"))
        github.faults.clear()
        await asyncio.sleep(0)

        async def all_done() -> bool:
            bot.app[keys.WORKERS].delivery_arrived()
            return not await bot.app[keys.DELIVERIES].waiting()

        await eventually(all_done)

    async def test_a_branch_that_cannot_be_moved_does_not_stop_the_others(
        self, bot: Bot, github: Sandbox
    ) -> None:
        for release in ("6.1.0-37-amd64", "6.1.0-38-amd64", "6.1.0-39-amd64"):
            _, asked = await bot.ask(kernel_version=release)
            await bot.finished(asked["build_id"])
        merged, stuck, free = github.pulls
        github.faults.add(
            Fault(method="PATCH", path="6-1-0-38-amd64$", kind="status", status=422, times=9)
        )

        await github.merge_pull(merged.number)

        await eventually(lambda: is_one_commit_above_main(github, free.head_ref))
        assert not is_one_commit_above_main(github, stuck.head_ref)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_body_is_refused(bot: Bot, encoding: str) -> None:
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    async with bot.client.post("/build", data=b"\x00garbage", headers=headers) as answer:
        assert answer.status == 415
        assert (await answer.json())["error"]["code"] == "unsupported_media_type"


async def test_a_token_that_is_not_text_is_refused(settings: Settings, github: Sandbox) -> None:
    guarded = dataclasses.replace(settings, api_tokens=(ApiToken.of("one", "node"),))
    async with running_bot(guarded, github) as bot:
        reader, writer = await asyncio.open_connection("127.0.0.1", bot.client.port)
        writer.write(
            b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
            b"Authorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 403 ")


async def rerun(bot: Bot, run_id: int) -> None:
    """Press "Re-run all jobs" in GitHub."""
    url = f"{bot.github.api_url}/repos/acme/hello-driver/actions/runs/{run_id}/rerun"
    headers = {"Authorization": f"Bearer {bot.github.maintainer_token}"}
    async with bot.client.session.post(url, headers=headers) as answer:
        assert answer.status == 201


async def reconciled_to(bot: Bot, github: Sandbox, *, runs: int) -> bool:
    await bot.reconcile()
    return len(github.runs) == runs


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
            async with bot.app[keys.GITHUB].turn:
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
