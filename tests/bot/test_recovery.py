"""Outages, limits, lost and contradicting news: the bot goes on, and comes right in the end."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import sqlite3
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete

from kmodbot.bot import keys
from kmodbot.bot.auth.tokens import ApiToken
from kmodbot.bot.store.deliveries import Deliveries
from kmodbot.bot.store.tables import leases
from kmodbot.sandbox import Fault, Sandbox
from tests.bot.conftest import (
    CONTENT,
    FAR_FUTURE,
    WORKFLOW,
    eventually,
    git,
    is_one_commit_above_main,
    reconciled_to,
    running_bot,
)
from tests.bot.maintainer import Maintainer
from tests.bot.stored import waiting
from tests.bot.test_webhooks import RUN, deliver, signed

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from kmodbot.bot.settings import Settings
    from tests.bot.conftest import Bot, QuickRunner


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
        github.faults.add(Fault(path="/actions/", kind="status", status=401, times=2))
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
        assert "not installed on the repository that GITHUB_REPOSITORY names" in caplog.text


class TestRunsThatLie:
    async def test_a_run_that_is_missing_for_a_moment_is_not_given_up(
        self, settings: Settings, github: Sandbox
    ) -> None:
        patient = dataclasses.replace(settings, lag_seconds=60)
        async with running_bot(patient, github) as bot:
            github.hold_runs()
            _, asked = await bot.ask()
            github.faults.add(Fault(path="/runs$", kind="lag", seconds=999))
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
    await Maintainer(github).rerun(github.runs[0].id)
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
    monkeypatch.setattr("kmodbot.bot.store.limits.time", clock)
    async with bot.app[keys.DATABASE].writing() as connection:
        await connection.execute(delete(leases))
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
            return not await waiting(bot.app[keys.DELIVERIES])

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
