"""One database belongs to one repository, which is the same one under any name."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from yarl import URL

from kmodbot.bot import keys
from kmodbot.bot.app import create_app
from kmodbot.bot.build import Phase
from kmodbot.bot.events import RunChanged, essence, parse_event
from kmodbot.bot.repository import KnownRepository
from kmodbot.bot.store.database import Database, StoreError
from kmodbot.bot.store.owner import Owner, Owners
from kmodbot.bot.trust import distrust
from kmodbot.sandbox import Fault, Sandbox
from kmodbot.sandbox.accounts import REPOSITORY_ID
from tests.bot.conftest import (
    CONTENT,
    DEBIAN,
    eventually,
    on_both_stores,
    running_bot,
    serving,
    target_of,
)
from tests.bot.test_trust import RUN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kmodbot.bot.settings import Settings
    from tests.bot.conftest import QuickRunner

NAME, RENAMED = "acme/hello-driver", "umbrella/greeter"


def away() -> Fault:
    """Return a fault that keeps GitHub away."""
    return Fault(kind="status", status=502, times=9999)


@pytest.fixture
async def owners(settings: Settings) -> AsyncIterator[Owners]:
    """Look into the database, which is ready to be used."""
    database = Database(settings.database_url)
    await database.prepare()
    yield Owners(database)
    await database.close()


async def start(settings: Settings) -> None:
    """Start a bot, and stop it again when it has started."""
    runner = web.AppRunner(create_app(settings))
    try:
        await runner.setup()
    finally:
        await runner.cleanup()


def called(settings: Settings, name: str) -> Settings:
    return dataclasses.replace(settings, repository=name)


class TestOwner:
    @on_both_stores
    async def test_the_first_contact_records_whose_database_it_is(
        self, settings: Settings, owners: Owners
    ) -> None:
        assert await owners.get() is None

        await start(settings)
        await start(settings)

        assert await owners.get() == Owner(settings.api_url, REPOSITORY_ID, NAME)

    @on_both_stores
    async def test_of_many_that_start_at_once_one_repository_is_the_owner(
        self, settings: Settings, owners: Owners
    ) -> None:
        claims = (owners.claim(Owner(settings.api_url, n, f"acme/{n}")) for n in range(1, 9))
        answers = await asyncio.gather(*claims)

        assert len(set(answers)) == 1
        assert await owners.get() == answers[0]

    async def test_another_repository_is_refused_and_nothing_is_done(
        self, settings: Settings, owners: Owners, github: Sandbox
    ) -> None:
        await owners.claim(Owner(settings.api_url, 7, "acme/other"))

        with pytest.raises(StoreError) as refused:
            await start(settings)

        words = str(refused.value)
        assert f"belongs to acme/other (id 7) of {settings.api_url}" in words
        assert f"GITHUB_REPOSITORY is {NAME} (id {REPOSITORY_ID})" in words
        assert "DATABASE_URL" in words
        assert {call.method for call in github.calls if call.actor != "app"} == {"GET"}

    async def test_another_github_is_refused_without_being_asked(
        self, settings: Settings, owners: Owners, github: Sandbox
    ) -> None:
        await owners.claim(Owner("https://api.github.com", REPOSITORY_ID, NAME))

        with pytest.raises(StoreError, match=r"of https://api\.github\.com, and"):
            await start(settings)

        assert github.calls == []

    async def test_a_new_repository_of_the_old_name_is_refused(
        self, tmp_path: Path, runner: QuickRunner, settings: Settings, github: Sandbox
    ) -> None:
        await start(settings)
        port = URL(github.server_url).port or 0
        await github.__aexit__(None, None, None)

        new = Sandbox(
            *(tmp_path / "new",), content=CONTENT, runner=runner, port=port, repository_id=7
        )
        async with new:
            fresh = dataclasses.replace(
                settings, private_key=type(settings.private_key)(new.private_key)
            )
            with pytest.raises(StoreError, match=rf"{NAME} \(id {REPOSITORY_ID}\).*\(id 7\)"):
                await start(fresh)
        await github.__aenter__()


class TestGitHubIsAway:
    async def test_the_name_will_do_until_it_is_back(
        self, settings: Settings, owners: Owners, github: Sandbox
    ) -> None:
        github.faults.add(away())
        async with running_bot(settings, github) as bot:
            assert await owners.get() is None
            github.faults.clear()
            status, _ = await bot.ask()

            assert status == 202
            assert await owners.get() == Owner(settings.api_url, REPOSITORY_ID, NAME)

    async def test_another_name_will_not_do(
        self, settings: Settings, owners: Owners, github: Sandbox
    ) -> None:
        await start(settings)
        github.faults.add(away())

        with pytest.raises(StoreError, match=f"belongs to {NAME}, and .* {RENAMED}.* start again"):
            await start(called(settings, RENAMED))

    async def test_what_is_another_one_after_all_is_neither_called_nor_changed(
        self, settings: Settings, owners: Owners, github: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ends: list[None] = []
        monkeypatch.setattr("kmodbot.bot.app._end", lambda: ends.append(None))
        await owners.claim(Owner(settings.api_url, 7, NAME))
        github.faults.add(away())

        async def work() -> None:
            async with running_bot(settings, github) as bot:
                await bot.app[keys.BUILDS].reserve("b1", target_of(DEBIAN), RUN.created_at)
                github.faults.clear()
                await bot.reconcile()
                status, _ = await bot.ask(kernel_version="6.1.0-39-amd64")

                assert status == 503
                assert ends
                build = await bot.app[keys.BUILDS].get("b1")
                assert build is not None
                assert build.phase is Phase.QUEUED

        with pytest.raises(StoreError, match=r"acme/hello-driver \(id 7\)"):
            await work()
        assert github.runs == []


class TestRenamed:
    async def test_a_running_bot_goes_on_by_the_id(
        self, settings: Settings, owners: Owners, github: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with running_bot(settings, github) as bot:
            await bot.settled()
            github.rename(RENAMED)
            status, asked = await bot.ask()
            assert status == 202
            assert (await bot.finished(asked["build_id"]))["status"] == "done"
            _, known = await bot.ask()

        assert [len(github.runs), len(github.pulls), len(github.releases)] == [1, 1, 1]
        assert f"/{RENAMED}/" in known["url"]
        assert f"GITHUB_REPOSITORY={RENAMED}" in caplog.text
        assert await owners.get() == Owner(settings.api_url, REPOSITORY_ID, RENAMED)
        sent_on = [call for call in github.calls if call.status in {301, 307}]
        assert 1 <= len(sent_on) <= 3

    async def test_a_write_that_meets_the_rename_is_done_once(
        self, settings: Settings, github: Sandbox
    ) -> None:
        async with running_bot(settings, github) as bot:
            await bot.settled()

            async def rename_first(call: object, moment: str) -> None:
                asks = getattr(call, "path", "").endswith("/dispatches")
                if asks and moment == "received" and github.repository == NAME:
                    github.rename(RENAMED)

            github.observe(rename_first)
            status, _ = await bot.ask()

            assert status == 202
            assert len(github.runs) == 1
            dispatches = [call.status for call in github.calls if "/dispatches" in call.path]
            assert dispatches == [307, 200]

    @pytest.mark.parametrize("name", [NAME, RENAMED])
    async def test_a_bot_that_starts_later_goes_on_under_either_name(
        self, settings: Settings, owners: Owners, github: Sandbox, name: str
    ) -> None:
        await start(settings)
        github.rename(RENAMED)

        async with running_bot(called(settings, name), github) as bot:
            status, asked = await bot.ask()
            assert status == 202
            assert (await bot.finished(asked["build_id"]))["status"] == "done"

        assert len(github.pulls) == 1
        assert await owners.get() == Owner(settings.api_url, REPOSITORY_ID, RENAMED)

    async def test_webhooks_of_the_new_name_are_heard_while_github_is_away(
        self, settings: Settings, github: Sandbox
    ) -> None:
        await start(settings)
        github.rename(RENAMED)
        github.faults.add(away())

        async with running_bot(settings, github) as bot:
            body = {
                "action": "completed",
                "repository": {"id": REPOSITORY_ID, "full_name": RENAMED, "default_branch": "main"},
                "workflow_run": {"id": 7},
            }
            known = bot.app[keys.SETTINGS]
            assert parse_event("workflow_run", _json(body), known) == RunChanged(7, "completed")


class TestById:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return dataclasses.replace(settings, known=KnownRepository(id=5))

    def test_what_was_stored_is_understood_after_the_setting_follows_a_rename(
        self, settings: Settings
    ) -> None:
        event = RunChanged(7, "completed")
        stored = essence(event, settings)
        renamed = dataclasses.replace(settings, repository="acme/renamed")

        assert parse_event("workflow_run", stored, renamed) == event

    @pytest.mark.parametrize(
        ("number", "name", "ours"),
        [
            (5, "acme/renamed", True),
            (6, NAME, False),
            (0, NAME, True),
            (0, "acme/renamed", False),
        ],
    )
    def test_a_webhook_and_a_run_are_of_the_repository_of_the_id(
        self, settings: Settings, number: int, name: str, ours: bool
    ) -> None:
        repository = {"id": number, "full_name": name, "default_branch": "main"}
        body = {"action": "completed", "repository": repository, "workflow_run": {"id": 7}}
        run = dataclasses.replace(
            *(RUN,),
            repository=name,
            repository_id=number,
            head_repository=name,
            head_repository_id=number,
        )

        assert (parse_event("workflow_run", _json(body), settings) is not None) is ours
        assert (distrust(run, settings, "main") is None) is ours

    def test_the_code_of_a_fork_is_not_believed_whatever_it_is_called(
        self, settings: Settings
    ) -> None:
        fork = dataclasses.replace(RUN, repository_id=5, head_repository_id=6)
        run = {"id": 7, "conclusion": "success", "head_repository": {"id": 6, "full_name": NAME}}
        repository = {"id": 5, "full_name": NAME, "default_branch": "main"}
        body = {"action": "completed", "repository": repository, "workflow_run": run}

        assert distrust(fork, settings, "main") == f"its code is of {NAME}"
        event = parse_event("workflow_run", _json(body), settings)
        assert event == RunChanged(7, "completed", conclusion=None)


class TestFollowing:
    def test_a_repository_that_moved_is_called_by_its_id(self) -> None:
        known = KnownRepository(id=5, confirmed=True)
        url, there = "/repos/a/b/branches/main?x=1", "https://github.example/api/v3/repositories/5"

        assert known.follow(url, f"{there}/branches/main") == (
            "/repositories/5/branches/main?x=1",
            True,
        )
        assert (known.home("a/b"), known.confirmed) == ("/repositories/5", False)
        assert known.follow(url, f"{there}/branches/main") == (
            "/repositories/5/branches/main?x=1",
            False,
        )

    def test_a_branch_that_was_renamed_is_followed_and_the_repository_stays(self) -> None:
        known = KnownRepository(id=5, confirmed=True)

        there = known.follow("/repos/a/b/branches/master", "https://h/repositories/5/branches/main")

        assert there == ("/repositories/5/branches/main", False)
        assert (known.home("a/b"), known.confirmed) == ("/repos/a/b", True)

    @pytest.mark.parametrize("location", ["", "https://mallory.example/", "/repositories/x", "//"])
    def test_no_other_place_is_followed(self, location: str) -> None:
        assert KnownRepository().follow("/repos/a/b", location) is None


class TestProcess:
    """``kmodbot serve`` as the operator sees it."""

    @pytest.fixture
    def environment(self, github: Sandbox, database_url: str) -> dict[str, str]:
        return {
            **os.environ,
            **github.environment(),
            "KMODBOT_DRIVER": "hello",
            "PORT": "0",
            "DATABASE_URL": database_url,
            "KMODBOT_RECONCILE_SECONDS": "0.05",
            "KMODBOT_REPAIR_SECONDS": "0.05",
            "KMODBOT_REDELIVER_SECONDS": "0.05",
            "KMODBOT_DRAIN_SECONDS": "0.1",
            "KMODBOT_LOG_FORMAT": "console",
        }

    async def test_it_ends_with_status_2_and_names_both(
        self, environment: dict[str, str], settings: Settings, owners: Owners
    ) -> None:
        await owners.claim(Owner(settings.api_url, 7, "acme/other"))

        async with serving(environment) as process:
            _, errors = await process.communicate()

        assert process.returncode == 2
        last = errors.decode().splitlines()[-1]
        assert last.startswith("kmodbot: DATABASE_URL: ")
        assert "acme/other (id 7)" in last
        assert NAME in last

    async def test_it_ends_with_status_2_when_github_is_back_and_says_that_it_is_another(
        self, environment: dict[str, str], settings: Settings, owners: Owners, github: Sandbox
    ) -> None:
        await owners.claim(Owner(settings.api_url, 7, NAME))
        github.faults.add(away())

        async with serving(environment) as process:
            # The calls that the start makes, and then some of the work.
            await eventually(lambda: len(github.calls) > 3)
            github.faults.clear()
            _, errors = await process.communicate()

        assert process.returncode == 2
        assert errors.decode().splitlines()[-1].startswith("kmodbot: DATABASE_URL: ")
        assert github.runs == []


def _json(data: object) -> bytes:
    return json.dumps(data).encode()
