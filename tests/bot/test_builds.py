"""A node asks, and gets its driver: the bot against a GitHub on localhost."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot import keys
from kmodbot.sandbox import Fault
from tests.bot.conftest import (
    DEBIAN,
    dispatch_by_hand,
    eventually,
    git,
    is_one_commit_above_main,
    kernels_listed,
    running_bot,
    target_of,
)

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Call, Sandbox
    from kmodbot.sandbox.faults import RequestKind
    from tests.bot.conftest import Bot, QuickRunner

BRANCH = "add-kernel/debian/x86_64/6-1-0-38-amd64"


async def test_a_new_kernel_is_built_once_and_then_exists(bot: Bot, github: Sandbox) -> None:
    status, first = await bot.ask()
    assert (status, first["message"]) == (202, "workflow dispatched")

    ended = await bot.finished(first["build_id"])
    assert ended["status"] == "done"
    assert ended["package"] == "hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb"
    assert ended["kernel"] == {
        key: DEBIAN[key]
        for key in ("kernel_version", "architecture", "distribution", "distro_version")
    }

    status, second = await bot.ask()
    assert status == 200
    assert second == {
        "message": "package exists",
        **{key: ended[key] for key in ("status", "package", "url", "sha256")},
    }
    assert len(github.runs) == 1


async def test_the_package_can_be_fetched_from_the_address_in_the_answer(bot: Bot) -> None:
    _, asked = await bot.ask()
    ended = await bot.finished(asked["build_id"])

    async with bot.client.session.get(ended["url"]) as download:
        assert await download.text() == ended["package"]


async def test_many_nodes_on_one_new_kernel_cause_one_run(bot: Bot, github: Sandbox) -> None:
    github.hold_runs()
    answers = await asyncio.gather(*(bot.ask() for _ in range(50)))

    assert [status for status, _ in answers] == [202] * 50
    assert sorted(body["message"] for _, body in answers) == ["build in progress"] * 49 + [
        "workflow dispatched"
    ]
    (build_id,) = {body["build_id"] for _, body in answers}
    github.release_runs()
    assert (await bot.finished(build_id))["status"] == "done"
    assert (len(github.runs), len(github.pulls)) == (1, 1)


async def test_a_known_package_costs_github_nothing(bot: Bot, github: Sandbox) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    before = len(github.calls)

    answers = await asyncio.gather(*(bot.ask() for _ in range(50)))

    assert [status for status, _ in answers] == [200] * 50
    assert len(github.calls) == before


async def test_the_run_gets_the_build_as_its_inputs(bot: Bot, github: Sandbox) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    (run,) = github.runs
    assert run.inputs == DEBIAN | {"build_id": asked["build_id"]}
    assert run.title == f"kmodbot {asked['build_id']} v0.1.0 debian 12 x86_64 6.1.0-38-amd64"
    assert run.head_branch == "main"


async def test_the_kernel_is_proposed_in_a_pull_request_of_one_commit(
    bot: Bot, github: Sandbox
) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    (pull,) = github.pulls
    assert (pull.head_ref, pull.base_ref, pull.state) == (BRANCH, "main", "open")
    assert is_one_commit_above_main(github, BRANCH)
    assert kernels_listed(github, BRANCH) == [
        {"target": "debian", "kernelrelease": "6.1.0-38-amd64", "distroversion": "12"}
    ]


async def test_a_merged_kernel_is_not_proposed_again(bot: Bot, github: Sandbox) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    await github.merge_pull(github.pulls[0].number)
    await bot.settled()

    _, next_version = await bot.ask(driver_version="v0.2.0")
    ended = await bot.finished(next_version["build_id"])
    await bot.reconcile()

    assert ended["status"] == "done"
    assert len(github.pulls) == 1


async def test_two_distro_versions_of_one_release_share_a_pull_request(
    bot: Bot, github: Sandbox
) -> None:
    ubuntu = {"distribution": "ubuntu", "kernel_version": "6.8.0-79-generic"}
    for version in ("24.04", "22.04"):
        _, asked = await bot.ask(**ubuntu, distro_version=version)
        await bot.finished(asked["build_id"])

    (pull,) = github.pulls
    entries = kernels_listed(github, pull.head_ref)
    assert [entry["distroversion"] for entry in entries] == ["22.04", "24.04"]


async def test_an_open_branch_follows_the_list_it_adds_to(bot: Bot, github: Sandbox) -> None:
    for release in ("6.1.0-38-amd64", "6.1.0-39-amd64"):
        _, asked = await bot.ask(kernel_version=release)
        await bot.finished(asked["build_id"])
    first, second = github.pulls

    await github.merge_pull(first.number)
    await eventually(lambda: is_one_commit_above_main(github, second.head_ref))
    await github.merge_pull(second.number)
    await eventually(lambda: not git(github, "branch", "--list", "add-kernel/*"))

    assert len(kernels_listed(github)) == 2


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
        await cancel(bot, github.runs[0].id)
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
        await cancel(bot, ours)
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


async def test_fifty_new_kernels_at_once_are_accepted_at_once_and_started_one_by_one(
    settings: Settings, github: Sandbox
) -> None:
    dispatches: list[float] = []

    async def take_the_time(call: Call, moment: str) -> None:
        if moment == "received" and call.path.endswith("/dispatches"):
            dispatches.append(time.monotonic())

    github.hold_runs()
    github.observe(take_the_time)
    paced = dataclasses.replace(settings, write_seconds=0.02)
    async with running_bot(paced, github) as bot:
        answers = await asyncio.gather(
            *(bot.ask(kernel_version=f"6.1.0-{number}-amd64") for number in range(1, 51))
        )
        assert [status for status, _ in answers] == [202] * 50
        await eventually(lambda: len(github.runs) == 50)

    assert len({run.title for run in github.runs}) == 50
    pauses = [after - before for before, after in itertools.pairwise(dispatches)]
    assert min(pauses) >= 0.02


async def test_a_successful_run_without_its_package_is_an_error(
    bot: Bot, github: Sandbox, runner: QuickRunner
) -> None:
    runner.publishes = False
    _, asked = await bot.ask()
    ended = await bot.finished(asked["build_id"])

    assert ended["status"] == "error"
    assert "has no hello-debian-6.1.0-38-amd64" in ended["error"]
    assert github.pulls == []


async def test_a_package_that_vanished_is_built_again(settings: Settings, github: Sandbox) -> None:
    forgetful = dataclasses.replace(settings, index_seconds=1e-9)
    async with running_bot(forgetful, github) as bot:
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])
        github.releases[0].assets.clear()

        status, again = await bot.ask()

        assert (status, again["message"]) == (202, "workflow dispatched")
        assert again["build_id"] != asked["build_id"]
        await bot.finished(again["build_id"])


class TestGitHubTrouble:
    async def test_an_unknown_release_is_not_taken_for_an_empty_one(
        self, bot: Bot, github: Sandbox
    ) -> None:
        # Neither the public address nor the API says anything.
        github.faults.add(Fault(path="/releases/", kind="status", status=502, times=2))

        status, body = await bot.ask()

        assert (status, body["error"]["code"]) == (503, "github_unavailable")
        assert github.runs == []

    async def test_a_lost_answer_to_the_dispatch_does_not_start_a_second_run(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.faults.add(Fault(method="POST", path=".*/dispatches", kind="lost_answer"))

        status, body = await bot.ask()
        assert (status, body["error"]["code"]) == (503, "github_unavailable")
        status, body = await bot.ask()
        assert status in {200, 202}
        await bot.settled()

        assert len(github.runs) == 1
        assert len(github.pulls) == 1

    async def test_a_lost_webhook_is_made_up_for(self, bot: Bot, github: Sandbox) -> None:
        github.faults.add(Fault(event="workflow_run", kind="lost", times=9))
        _, asked = await bot.ask()
        await bot.settled()
        assert (await bot.status(asked["build_id"]))["status"] == "in_progress"

        await bot.reconcile()

        assert (await bot.status(asked["build_id"]))["status"] == "done"
        assert len(github.pulls) == 1

    async def test_doubled_webhooks_change_nothing(self, bot: Bot, github: Sandbox) -> None:
        github.faults.add(Fault(event="workflow_run", kind="doubled", times=9))
        _, asked = await bot.ask()

        assert (await bot.finished(asked["build_id"]))["status"] == "done"
        assert (len(github.runs), len(github.pulls)) == (1, 1)

    @pytest.mark.parametrize("path", ["git/refs", "contents/.*", "pulls"])
    @pytest.mark.parametrize("kind", ["lost_answer", "status", "secondary_limit", "reset"])
    async def test_a_pull_request_is_opened_in_the_end(
        self, bot: Bot, github: Sandbox, path: str, kind: RequestKind
    ) -> None:
        method = "PUT" if path.startswith("contents") else "POST"
        github.faults.add(Fault(method=method, path=f".*/{path}", kind=kind))
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])

        await bot.reconcile()
        await bot.reconcile()

        assert len(github.pulls) == 1
        assert (await bot.status(asked["build_id"]))["status"] == "done"
        assert is_one_commit_above_main(github, BRANCH)

    async def test_a_refused_token_is_replaced(self, bot: Bot, github: Sandbox) -> None:
        await bot.ask()
        github.faults.add(Fault(path=".*/actions/runs/.*", kind="status", status=401))
        await bot.settled()
        await bot.reconcile()

        assert len(github.pulls) == 1

    async def test_a_refused_dispatch_is_told_and_logged_not_repeated(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.faults.add(
            Fault(method="POST", path=".*/dispatches", kind="status", status=422, times=1)
        )

        status, body = await bot.ask()

        assert (status, body["error"]["code"]) == (503, "dispatch_refused")
        await bot.reconcile()
        assert github.runs == []


async def cancel(bot: Bot, run_id: int) -> None:
    """Press "Cancel workflow" in GitHub."""
    url = f"{bot.github.api_url}/repos/acme/hello-driver/actions/runs/{run_id}/cancel"
    headers = {"Authorization": f"Bearer {bot.github.maintainer_token}"}
    async with bot.client.session.post(url, headers=headers) as answer:
        assert answer.status == 202
