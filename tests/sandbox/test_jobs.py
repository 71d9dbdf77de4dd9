"""The jobs of a run say what failed; a run can be stopped; older servers tell less."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from .support import (
    CONTENT,
    HELLO,
    INPUTS,
    WORKFLOW,
    WORKFLOW_FILE,
    Client,
    Clock,
    TestRunner,
    got,
    refused,
)

if TYPE_CHECKING:
    from kmodbot.sandbox import Run, Sandbox


async def dispatch(bot: Client, github: Sandbox) -> Run:
    await bot.actions.async_create_workflow_dispatch(*HELLO, WORKFLOW, ref="main", inputs=INPUTS)
    return github.runs[-1]


@pytest.mark.parametrize(
    ("conclusion", "expected"),
    [("success", ["success", "success"]), ("failure", ["failure", "skipped"])],
)
async def test_the_first_job_of_a_failed_run_fails(
    bot: Client, github: Sandbox, runner: TestRunner, conclusion: str, expected: list[str]
) -> None:
    runner.conclusion = conclusion
    run = await dispatch(bot, github)
    await github.settled()

    listed = await got(bot.actions.async_list_jobs_for_workflow_run(*HELLO, run.id))

    assert [(job.name, job.conclusion) for job in listed.jobs] == list(
        zip(["build", "publish"], expected, strict=True)
    )
    assert {(job.run_id, job.run_attempt, job.status) for job in listed.jobs} == {
        (run.id, 1, "completed")
    }


async def test_a_run_that_waits_can_be_cancelled(bot: Client, github: Sandbox) -> None:
    github.hold_runs()
    run = await dispatch(bot, github)

    assert (await bot.actions.async_cancel_workflow_run(*HELLO, run.id)).status_code == 202
    github.release_runs()
    await github.settled()

    assert (run.status, run.conclusion) == ("completed", "cancelled")


async def test_a_run_that_goes_on_can_be_cancelled(
    bot: Client, github: Sandbox, runner: TestRunner
) -> None:
    runner.may_finish.clear()
    run = await dispatch(bot, github)
    await runner.begun.wait()

    await bot.actions.async_cancel_workflow_run(*HELLO, run.id)
    await github.settled()

    assert (run.status, run.conclusion) == ("completed", "cancelled")


async def test_a_run_that_has_ended_cannot_be_cancelled(bot: Client, github: Sandbox) -> None:
    run = await dispatch(bot, github)
    await github.settled()

    refusal = await refused(bot.actions.async_cancel_workflow_run(*HELLO, run.id))

    assert refusal.status == 409


async def test_an_older_server_refuses_or_ignores_the_wish_to_know_the_run(
    bot: Client, github: Sandbox
) -> None:
    wish: Any = {"ref": "main", "inputs": INPUTS, "return_run_details": True}
    create = bot.actions.async_create_workflow_dispatch

    github.run_details = "refused"
    refusal = await refused(create(*HELLO, WORKFLOW, data=wish))
    assert (refusal.status, "return_run_details" in refusal.message) == (400, True)
    assert github.runs == []

    github.run_details = "ignored"
    assert (await create(*HELLO, WORKFLOW, data=wish)).status_code == 204


async def test_every_answer_says_what_time_it_is_there(bot: Client, clock: Clock) -> None:
    clock.ahead = timedelta(minutes=5)

    response = await bot.repos.async_get(*HELLO)

    said = parsedate_to_datetime(response.headers["Date"])
    assert abs(said - clock()) < timedelta(seconds=5)


class TestAWorkflowOfSeveralJobs:
    @pytest.fixture
    def content(self) -> dict[str, bytes]:
        start = WORKFLOW_FILE.partition(b"jobs:")[0]
        jobs = b"""\
jobs:
  check:
    steps: [{name: Check, run: check}]
  build:
    container: {image: debian:12}
    steps: [{name: Fetch, uses: x}, {name: Build, run: make}, {name: Keep, uses: y}]
  publish:
    steps: [{name: Publish, run: publish}]
"""
        return CONTENT | {f".github/workflows/{WORKFLOW}": start + jobs}

    async def test_it_goes_wrong_where_it_builds(
        self, bot: Client, github: Sandbox, runner: TestRunner
    ) -> None:
        runner.conclusion = "failure"
        run = await dispatch(bot, github)
        await github.settled()

        jobs = (await got(bot.actions.async_list_jobs_for_workflow_run(*HELLO, run.id))).jobs

        assert [job.conclusion for job in jobs] == ["success", "failure", "skipped"]
        steps = jobs[1].steps
        assert steps
        assert [step.conclusion for step in steps] == ["success", "failure", "skipped"]
