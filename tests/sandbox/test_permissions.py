"""Every call needs a permission, and says which when it is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .support import HELLO, INPUTS, WORKFLOW, Client, head_of, mint, push_branch, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kmodbot.sandbox import Sandbox

ZEROS = "0" * 40


def dispatch(of: Client) -> Awaitable[Any]:
    return of.actions.async_create_workflow_dispatch(*HELLO, WORKFLOW, ref="main", inputs=INPUTS)


def list_runs(of: Client) -> Awaitable[Any]:
    return of.actions.async_list_workflow_runs_for_repo(*HELLO)


def create_ref(of: Client) -> Awaitable[Any]:
    return of.git.async_create_ref(*HELLO, ref="refs/heads/x", sha=ZEROS)


def get_ref(of: Client) -> Awaitable[Any]:
    return of.git.async_get_ref(*HELLO, "heads/main")


def create_pull(of: Client) -> Awaitable[Any]:
    return of.pulls.async_create(*HELLO, title="t", head="x", base="main")


def list_pulls(of: Client) -> Awaitable[Any]:
    return of.pulls.async_list(*HELLO)


def create_release(of: Client) -> Awaitable[Any]:
    return of.repos.async_create_release(*HELLO, tag_name="v9")


@pytest.mark.parametrize(
    ("granted", "request_", "needed"),
    [
        ({"contents": "write", "actions": "read"}, dispatch, "actions=write"),
        ({"contents": "write"}, list_runs, "actions=read"),
        ({"contents": "read"}, create_ref, "contents=write"),
        ({"metadata": "read"}, get_ref, "contents=read"),
        ({"contents": "write"}, create_pull, "pull_requests=write"),
        ({"contents": "write"}, list_pulls, "pull_requests=read"),
        ({"contents": "read", "actions": "write"}, create_release, "contents=write"),
    ],
)
async def test_a_narrow_token_is_told_what_it_lacks(
    github: Sandbox,
    granted: dict[str, str],
    request_: Callable[[Client], Awaitable[Any]],
    needed: str,
) -> None:
    narrow = Client(github, await mint(github, **granted))
    refusal = await refused(request_(narrow))
    assert (refusal.status, refusal.message) == (403, "Resource not accessible by integration")
    assert refusal.headers["X-Accepted-GitHub-Permissions"] == needed


async def test_a_narrow_token_does_what_it_is_for(github: Sandbox) -> None:
    narrow = Client(github, await mint(github, actions="write", contents="read"))
    await dispatch(narrow)
    await head_of(narrow)


async def test_merging_needs_to_write_contents(github: Sandbox, bot: Client) -> None:
    await push_branch(bot, "topic", "new", "text")
    narrow = Client(github, await mint(github, pull_requests="write"))
    await narrow.pulls.async_create(*HELLO, title="t", head="topic", base="main")
    refusal = await refused(narrow.pulls.async_merge(*HELLO, 1))
    assert refusal.headers["X-Accepted-GitHub-Permissions"] == "contents=write"


async def test_anybody_reads_the_public_repository(nobody: Client) -> None:
    await head_of(nobody)
    await list_pulls(nobody)


async def test_nobody_writes_without_credentials(nobody: Client) -> None:
    refusal = await refused(create_pull(nobody))
    assert (refusal.status, refusal.message) == (401, "Requires authentication")


async def test_a_jwt_writes_nothing_in_a_repository(app: Client) -> None:
    assert (await refused(create_release(app))).status == 403


async def test_other_repositories_cannot_be_seen(bot: Client) -> None:
    assert (await refused(bot.repos.async_get("acme", "secret"))).status == 404


async def test_unknown_calls_are_not_found(bot: Client) -> None:
    assert (await refused(bot.request("GET", "/nothing"))).status == 404
    assert (await refused(bot.request("DELETE", "/repos/acme/hello-driver"))).status == 404
