"""How often GitHub is asked: per boot, per build, per pull request, and by the hour."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot import keys
from kmodbot.bot.github import runs
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database
from kmodbot.sandbox import Fault, Sandbox
from tests.bot.conftest import (
    CONTENT,
    DEBIAN,
    QuickRunner,
    dispatch_by_hand,
    running_bot,
    target_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.bot.settings import Settings
    from tests.bot.conftest import Bot

# Calls by which the bot learns who it is and where; once an hour, however much there is to do.
CONSTANT = (
    "GET /installation",
    "POST /access_tokens",
    "GET /hello-driver",
    "GET /app/hook/deliveries",
    "GET /driver-build.yml/runs",
    "GET /git/matching-refs",
)
TO_BUILD = ("POST /dispatches", "GET /releases/tags")
TO_PROPOSE = (
    "GET /branches/main",
    "GET /contents/.github/kernels.json",
    "POST /git/refs",
    "PUT /contents/.github/kernels.json",
    "POST /pulls",
)
KINDS = (*CONSTANT, *TO_BUILD, *TO_PROPOSE, "GET /jobs", "GET /actions/runs")


def counted(github: Sandbox, since: int = 0) -> Counter[str]:
    """Count the calls of the bot by their kind."""
    counts: Counter[str] = Counter()
    for call in github.calls[since:]:
        if call.actor in {"app", "installation"}:
            whole = f"{call.method} {call.path}/"
            fits = (kind for kind in KINDS if is_of(kind, whole))
            counts[next(fits, f"{call.method} {call.path}")] += 1
    return counts


def is_of(kind: str, call: str) -> bool:
    method, path = kind.split()
    if path == "/hello-driver":
        return call == "GET /repos/acme/hello-driver/"
    return call.startswith(method) and f"{path}/" in call


def share(counts: Counter[str], kinds: tuple[str, ...]) -> int:
    return sum(counts[kind] for kind in kinds)


async def build(bot: Bot, github: Sandbox, **changes: str) -> Counter[str]:
    """Have one kernel built that nobody knows, and count what that costs."""
    await bot.settled()
    before = len(github.calls)
    github.hold_runs()
    _, asked = await bot.ask(**changes)
    github.release_runs()
    await bot.finished(asked["build_id"])
    return counted(github, before)


async def test_a_build_costs_two_calls_and_its_pull_request_five(bot: Bot, github: Sandbox) -> None:
    calls = await build(bot, github)

    assert {kind: calls[kind] for kind in TO_BUILD} == dict.fromkeys(TO_BUILD, 1)
    assert {kind: calls[kind] for kind in TO_PROPOSE} == dict.fromkeys(TO_PROPOSE, 1)
    assert set(calls) <= {*TO_BUILD, *TO_PROPOSE, *CONSTANT}


async def test_the_next_pull_request_on_the_same_base_costs_four(bot: Bot, github: Sandbox) -> None:
    await build(bot, github)

    calls = await build(bot, github, kernel_version="6.1.0-39-amd64")

    assert (share(calls, TO_BUILD), share(calls, TO_PROPOSE)) == (2, 4)
    assert set(calls) <= {*TO_BUILD, *TO_PROPOSE}


async def test_a_run_that_was_not_known_costs_one_call_more(bot: Bot, github: Sandbox) -> None:
    await bot.settled()
    before = len(github.calls)
    await dispatch_by_hand(bot)
    await bot.settled()

    calls = counted(github, before)
    assert share(calls, TO_PROPOSE) == 5
    assert calls["GET /repos/acme/hello-driver/pulls"] == 1


async def test_a_start_reads_the_list_of_runs_once(settings: Settings, github: Sandbox) -> None:
    async with running_bot(settings, github) as bot:
        await bot.settled()
    before = len(github.calls)
    async with running_bot(settings, github) as bot:
        await bot.settled()

    assert counted(github, before)["GET /driver-build.yml/runs"] == 1


async def test_builds_that_wait_since_before_the_start_are_not_looked_for_one_by_one(
    settings: Settings, github: Sandbox
) -> None:
    async with running_bot(settings, github) as bot:
        await bot.settled()
    github.hold_runs()
    database = Database(settings.database_url)
    for number in range(10):
        target = target_of(DEBIAN | {"kernel_version": f"6.1.0-{number}-amd64"})
        await Builds(database).reserve(f"waits{number}", target, datetime.now(UTC))
    await database.close()
    before = len(github.calls)

    async with running_bot(settings, github) as bot:
        await bot.reconcile()

    calls = counted(github, before)
    assert calls["POST /dispatches"] == 10
    # The first look, and that for what is overdue.
    assert calls["GET /driver-build.yml/runs"] <= 2


async def test_a_build_that_fails_costs_two_calls_as_well(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    await build(bot, github)
    runner.conclusion = "failure"

    calls = await build(bot, github, kernel_version="6.1.0-39-amd64")

    assert calls == {"POST /dispatches": 1, "GET /jobs": 1}


@pytest.mark.parametrize("nodes", [1, 50, 500])
async def test_any_number_of_nodes_on_one_kernel_cost_the_same(
    settings: Settings, github: Sandbox, nodes: int
) -> None:
    async with running_bot(settings, github) as bot:
        await bot.settled()
        before = len(github.calls)
        github.hold_runs()
        asked = await asyncio.gather(*(bot.ask() for _ in range(nodes)))
        github.release_runs()
        await bot.finished(asked[0][1]["build_id"])
        calls = counted(github, before)
        assert (share(calls, TO_BUILD), share(calls, TO_PROPOSE)) == (2, 5)

        before = len(github.calls)
        again = await asyncio.gather(*(bot.ask() for _ in range(nodes)))
        assert {status for status, _ in again} == {200}
        assert counted(github, before) == {}


async def test_a_known_package_costs_nothing_after_the_index_is_old_and_after_a_restart(
    settings: Settings, github: Sandbox
) -> None:
    forgetful = dataclasses.replace(settings, index_seconds=1e-9)
    async with running_bot(forgetful, github) as bot:
        await build(bot, github)
        before = len(github.calls)
        for _ in range(3):
            assert (await bot.ask())[0] == 200
        assert counted(github, before) == {}

    async with running_bot(forgetful, github) as bot:
        await bot.settled()
        before = len(github.calls)
        assert (await bot.ask())[0] == 200
        assert share(counted(github, before), TO_BUILD) == 0


async def test_a_private_repository_costs_one_more_call_per_build(
    settings: Settings, tmp_path: Path
) -> None:
    folder, runner = tmp_path / "private", QuickRunner()
    async with Sandbox(folder, content=CONTENT, runner=runner, private=True) as github:
        private = dataclasses.replace(settings, api_url=github.api_url)
        # The store and the App's key are this GitHub's, and nobody else's.
        private = dataclasses.replace(
            private,
            private_key=type(settings.private_key)(github.private_key),
            webhook_secrets=(type(settings.private_key)(github.webhook_secret),),
        )
        async with running_bot(private, github) as bot:
            calls = await build(bot, github)

    assert (share(calls, TO_BUILD), share(calls, TO_PROPOSE)) == (3, 5)


async def test_the_status_of_many_running_builds_is_one_listed_call(
    bot: Bot, github: Sandbox
) -> None:
    github.hold_runs()
    for number in range(20):
        await bot.ask(kernel_version=f"6.1.0-{number}-amd64")
    before = len(github.calls)

    await bot.reconcile()

    assert counted(github, before) == {"GET /driver-build.yml/runs": 1}


async def test_builds_that_are_not_overdue_cost_nothing(
    settings: Settings, github: Sandbox
) -> None:
    patient = dataclasses.replace(settings, overdue_seconds=900)
    async with running_bot(patient, github) as bot:
        github.hold_runs()
        await bot.ask()
        before = len(github.calls)

        await bot.reconcile()

        assert counted(github, before) == {}


async def test_many_builds_that_ended_unheard_are_found_by_two_calls(
    bot: Bot, github: Sandbox
) -> None:
    github.hold_runs()
    for number in range(10):
        await bot.ask(kernel_version=f"6.1.0-{number}-amd64")
    github.faults.add(Fault(event="workflow_run", kind="lost", times=99))
    github.release_runs()
    await github.settled()
    before = len(github.calls)

    await bot.reconcile()

    calls = counted(github, before)
    assert calls["GET /driver-build.yml/runs"] == 1
    assert calls["GET /releases/tags"] == 1, "they are all of one release"
    assert len(github.pulls) == 10


async def test_an_hour_of_nothing_costs_little(settings: Settings, github: Sandbox) -> None:
    always_due = dataclasses.replace(settings, redeliver_seconds=1e-6)
    async with running_bot(always_due, github) as bot:
        await build(bot, github)
        await bot.settled()
        before = len(github.calls)
        await bot.reconcile()
        per_look = counted(github, before).total()
        before = len(github.calls)
        await bot.app[keys.WORKERS]._proposals.regenerate()
        per_regeneration = counted(github, before).total()

    # Both every ten minutes, and what there is to learn anew in each hour: four tokens, the
    # installation, the repository; one list of runs a minute while builds are overdue; and the
    # pages on which runs of failed builds are looked for.
    assert (per_look, per_regeneration) == (2, 2)
    assert 6 * (per_look + per_regeneration) + 6 + 60 + runs._PAGES <= 110
