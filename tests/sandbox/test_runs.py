"""Runs wait their turn, are carried out by the runner, and can be found and repeated."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kmodbot.sandbox import Fault, Sandbox

from .support import CONTENT, HELLO, INPUTS, WORKFLOW, Client, TestRunner, got, refused

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.sandbox import Run

    from .support import Clock


async def dispatch(bot: Client, github: Sandbox) -> Run:
    await bot.actions.async_create_workflow_dispatch(*HELLO, WORKFLOW, ref="main", inputs=INPUTS)
    return github.runs[-1]


async def test_a_run_ends_with_what_the_runner_concludes(
    bot: Client, github: Sandbox, runner: TestRunner
) -> None:
    runner.conclusion = "failure"
    run = await dispatch(bot, github)
    await github.settled()
    shown = await got(bot.actions.async_get_workflow_run(*HELLO, run.id))
    assert (shown.status, shown.conclusion) == ("completed", "failure")


async def test_a_later_sandbox_repeats_no_id(
    bot: Client, github: Sandbox, tmp_path: Path, clock: Clock
) -> None:
    runs = [await dispatch(bot, github) for _ in range(3)]
    await github.settled()
    clock.ahead += timedelta(seconds=1)
    other = tmp_path / "other"
    async with Sandbox(other, content=CONTENT, runner=TestRunner(), clock=clock) as later:
        maintainer = Client(later, later.maintainer_token)
        run = await dispatch(maintainer, later)
        await later.settled()
    assert len({run.id for run in runs}) == 3
    assert max(run.id for run in runs) < run.id < 2**53


async def test_a_runner_that_breaks_is_a_failed_run(
    bot: Client, github: Sandbox, runner: TestRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "started", None)
    run = await dispatch(bot, github)
    await github.settled()
    assert run.conclusion == "failure"


async def test_the_runner_knows_the_run(bot: Client, github: Sandbox, runner: TestRunner) -> None:
    run = await dispatch(bot, github)
    await github.settled()
    (context,) = runner.started
    assert (context.run_id, context.attempt, context.head_sha) == (run.id, 1, run.head_sha)
    assert context.workflow_path == ".github/workflows/driver-build.yml"
    assert context.inputs["kernel_version"] == "6.1.0-38-amd64"
    assert context.clone_url == f"{github.server_url}/acme/hello-driver.git"
    assert context.workspace.is_dir()
    assert context.token not in repr(context)


async def test_the_token_of_a_run_writes_contents_only_while_it_runs(
    bot: Client, github: Sandbox, runner: TestRunner
) -> None:
    runner.may_finish.clear()
    await dispatch(bot, github)
    await runner.begun.wait()
    job = Client(github, runner.started[0].token)
    await job.repos.async_create_release(*HELLO, tag_name="v0.2.0")
    refusal = await refused(job.pulls.async_create(*HELLO, title="t", head="x", base="main"))
    assert refusal.status == 403
    assert github.calls[-1].actor == "actions"
    runner.may_finish.set()
    await github.settled()
    assert (await refused(job.repos.async_get(*HELLO))).status == 401


async def test_two_runs_go_on_at_once_and_a_third_waits(
    bot: Client, github: Sandbox, runner: TestRunner
) -> None:
    runner.may_finish.clear()
    for _ in range(3):
        await dispatch(bot, github)
    await runner.begun.wait()
    assert [run.status for run in github.runs] == ["in_progress", "in_progress", "queued"]
    runner.may_finish.set()
    await github.settled()
    assert [run.status for run in github.runs] == ["completed"] * 3


async def test_a_list_can_lag_behind_while_a_run_is_known_by_its_id(
    bot: Client, github: Sandbox
) -> None:
    github.faults.add(Fault(kind="lag", path="/runs$", seconds=60))
    run = await dispatch(bot, github)
    first = await got(bot.actions.async_list_workflow_runs_for_repo(*HELLO))
    assert first.total_count == 0
    assert (await got(bot.actions.async_get_workflow_run(*HELLO, run.id))).id == run.id
    second = await got(bot.actions.async_list_workflow_runs_for_repo(*HELLO))
    assert second.total_count == 1


async def test_held_runs_stay_queued_and_nobody_waits_for_them(
    bot: Client, github: Sandbox
) -> None:
    github.hold_runs()
    run = await dispatch(bot, github)
    await github.settled()
    assert run.status == "queued"
    github.release_runs()
    await github.settled()
    assert run.conclusion == "success"


async def test_a_rerun_keeps_the_id_and_raises_the_attempt(
    bot: Client, github: Sandbox, runner: TestRunner
) -> None:
    run = await dispatch(bot, github)
    await github.settled()
    await bot.actions.async_re_run_workflow(*HELLO, run.id)
    await github.settled()
    shown = await got(bot.actions.async_get_workflow_run(*HELLO, run.id))
    assert shown.run_attempt == 2
    assert str(shown.previous_attempt_url).endswith(f"/runs/{run.id}/attempts/1")
    assert [context.attempt for context in runner.started] == [1, 2]


async def test_a_run_that_goes_on_cannot_be_run_again(bot: Client, github: Sandbox) -> None:
    github.hold_runs()
    run = await dispatch(bot, github)
    refusal = await refused(bot.actions.async_re_run_workflow(*HELLO, run.id))
    assert refusal.status == 403


async def test_an_unknown_run_is_not_found(bot: Client) -> None:
    assert (await refused(bot.actions.async_get_workflow_run(*HELLO, 1))).status == 404


async def test_runs_are_listed_newest_first_in_pages(bot: Client, github: Sandbox) -> None:
    for _ in range(3):
        await dispatch(bot, github)
    runs = [run.id for run in reversed(github.runs)]
    first = await bot.actions.async_list_workflow_runs(*HELLO, WORKFLOW, per_page=2)
    assert first.parsed_data.total_count == 3
    assert [run.id for run in first.parsed_data.workflow_runs] == runs[:2]
    assert 'rel="next"' in first.headers["Link"]
    second = await bot.actions.async_list_workflow_runs(*HELLO, WORKFLOW, per_page=2, page=2)
    assert [run.id for run in second.parsed_data.workflow_runs] == runs[2:]
    assert 'rel="next"' not in second.headers["Link"]
    assert 'rel="prev"' in second.headers["Link"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"event": "workflow_dispatch"}, 1),
        ({"event": "schedule"}, 0),
        ({"branch": "main"}, 1),
        ({"branch": "topic"}, 0),
        ({"status": "completed"}, 1),
        ({"status": "success"}, 1),
        ({"status": "queued"}, 0),
        ({"actor": "kmodbot[bot]"}, 1),
    ],
)
async def test_runs_are_filtered(
    bot: Client, github: Sandbox, filters: dict[str, Any], found: int
) -> None:
    await dispatch(bot, github)
    await github.settled()
    listed = await got(bot.actions.async_list_workflow_runs_for_repo(*HELLO, **filters))
    assert listed.total_count == found


async def test_runs_are_filtered_by_the_time_of_their_creation(
    bot: Client, github: Sandbox, clock: Clock
) -> None:
    run = await dispatch(bot, github)
    created = run.created_at.replace(microsecond=0)
    before, after = created - timedelta(seconds=1), created + timedelta(seconds=1)
    expected = {
        f">={created:%Y-%m-%dT%H:%M:%SZ}": 1,
        f">{created:%Y-%m-%dT%H:%M:%SZ}": 0,
        f">={after:%Y-%m-%dT%H:%M:%SZ}": 0,
        f"<{after:%Y-%m-%dT%H:%M:%S+00:00}": 1,
        f"<={before:%Y-%m-%dT%H:%M:%SZ}": 0,
        f"{before:%Y-%m-%dT%H:%M:%SZ}..{after:%Y-%m-%dT%H:%M:%SZ}": 1,
        f"{after:%Y-%m-%dT%H:%M:%SZ}..*": 0,
        f"{created:%Y-%m-%d}": 1,
    }
    listed = {
        wanted: (
            await got(bot.actions.async_list_workflow_runs_for_repo(*HELLO, created=wanted))
        ).total_count
        for wanted in expected
    }
    assert listed == expected
