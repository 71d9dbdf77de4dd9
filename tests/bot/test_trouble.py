"""GitHub stumbles while a driver is built, and the driver comes all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.sandbox import Fault
from tests.bot.conftest import is_one_commit_above_main

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox
    from kmodbot.sandbox.faults import RequestKind
    from tests.bot.conftest import Bot

BRANCH = "add-kernel/debian/x86_64/6-1-0-38-amd64"


async def test_an_unknown_release_is_not_taken_for_an_empty_one(bot: Bot, github: Sandbox) -> None:
    # Neither the public address nor the API says anything.
    github.faults.add(Fault(path="/releases/", kind="status", status=502, times=2))

    status, body = await bot.ask()

    assert (status, body["error"]["code"]) == (503, "github_unavailable")
    assert github.runs == []


async def test_a_lost_answer_to_the_dispatch_does_not_start_a_second_run(
    bot: Bot, github: Sandbox
) -> None:
    github.faults.add(Fault(method="POST", path=".*/dispatches", kind="lost_answer"))

    status, body = await bot.ask()
    assert (status, body["error"]["code"]) == (503, "github_unavailable")
    status, body = await bot.ask()
    assert status in {200, 202}
    await bot.settled()

    assert len(github.runs) == 1
    assert len(github.pulls) == 1


async def test_a_lost_webhook_is_made_up_for(bot: Bot, github: Sandbox) -> None:
    github.faults.add(Fault(event="workflow_run", kind="lost", times=9))
    _, asked = await bot.ask()
    await bot.settled()
    assert (await bot.status(asked["build_id"]))["status"] == "in_progress"

    await bot.reconcile()

    assert (await bot.status(asked["build_id"]))["status"] == "done"
    assert len(github.pulls) == 1


async def test_doubled_webhooks_change_nothing(bot: Bot, github: Sandbox) -> None:
    github.faults.add(Fault(event="workflow_run", kind="doubled", times=9))
    _, asked = await bot.ask()

    assert (await bot.finished(asked["build_id"]))["status"] == "done"
    assert (len(github.runs), len(github.pulls)) == (1, 1)


@pytest.mark.parametrize("path", ["git/refs", "contents/.*", "pulls"])
@pytest.mark.parametrize("kind", ["lost_answer", "status", "secondary_limit", "reset"])
async def test_a_pull_request_is_opened_in_the_end(
    bot: Bot, github: Sandbox, path: str, kind: RequestKind
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


async def test_a_refused_token_is_replaced(bot: Bot, github: Sandbox) -> None:
    github.hold_runs()
    _, asked = await bot.ask()
    tokens = bot.calls("POST", "/access_tokens")
    github.faults.add(Fault(path="/releases/tags/", kind="status", status=401))
    github.release_runs()

    assert (await bot.finished(asked["build_id"]))["status"] == "done"
    assert bot.calls("POST", "/access_tokens") > tokens


async def test_a_refused_dispatch_is_told_and_logged_not_repeated(
    bot: Bot, github: Sandbox
) -> None:
    github.faults.add(
        Fault(method="POST", path=".*/dispatches", kind="status", status=422, times=1)
    )

    status, body = await bot.ask()

    assert (status, body["error"]["code"]) == (503, "dispatch_refused")
    await bot.reconcile()
    assert github.runs == []
