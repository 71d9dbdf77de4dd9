"""Refs: an atomic create, forward-only moves, and names that git allows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from githubkit.exception import RequestFailed

from .support import HELLO, Client, commit_file, got, head_of, push_branch, refused

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox

BRANCH = "add-kernel/debian/x86_64/6-1-0-38-amd64"


async def test_a_ref_is_created_once_however_many_try(bot: Client) -> None:
    sha = await head_of(bot)
    tries = [
        bot.git.async_create_ref(*HELLO, ref=f"refs/heads/{BRANCH}", sha=sha) for _ in range(10)
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, RequestFailed) for result in results) == 9


async def test_a_ref_that_exists_is_refused(bot: Client) -> None:
    call = bot.git.async_create_ref(*HELLO, ref="refs/heads/main", sha=await head_of(bot))
    refusal = await refused(call)
    assert (refusal.status, refusal.message) == (422, "Reference already exists")


@pytest.mark.parametrize("other", ["add-kernel", BRANCH.rpartition("/")[0], f"{BRANCH}/more"])
async def test_a_branch_cannot_be_a_directory_of_another(bot: Client, other: str) -> None:
    sha = await push_branch(bot, BRANCH, "a", "a")
    refusal = await refused(bot.git.async_create_ref(*HELLO, ref=f"refs/heads/{other}", sha=sha))
    assert (refusal.status, refusal.message) == (422, "Reference update failed")


@pytest.mark.parametrize(
    "name",
    [
        "a..b",
        "a~1",
        "a^",
        "a:b",
        "a b",
        "a.lock",
        "a.",
        ".a",
        "a//b",
        "a\\b",
        "a[",
        "@{",
        "a*",
        "",
        "a" * 300,
    ],
)
async def test_names_git_does_not_allow_are_refused(bot: Client, name: str) -> None:
    sha = await head_of(bot)
    refusal = await refused(bot.git.async_create_ref(*HELLO, ref=f"refs/heads/{name}", sha=sha))
    assert refusal.status == 422
    assert refusal.message.endswith("is not a valid ref name.")


@pytest.mark.parametrize("ref", ["heads/topic", "refs/topic", "topic"])
async def test_a_ref_is_created_by_its_full_name_only(bot: Client, ref: str) -> None:
    sha = await head_of(bot)
    assert (await refused(bot.git.async_create_ref(*HELLO, ref=ref, sha=sha))).status == 422


async def test_a_branch_points_to_a_commit_that_exists(bot: Client) -> None:
    tree = (await got(bot.git.async_get_commit(*HELLO, await head_of(bot)))).tree.sha
    for sha, says in (("0" * 40, "Object does not exist"), (tree, "Object is not a commit")):
        refusal = await refused(bot.git.async_create_ref(*HELLO, ref="refs/heads/x", sha=sha))
        assert (refusal.status, refusal.message) == (422, says)


async def test_a_ref_moves_forward_only_unless_forced(bot: Client) -> None:
    main = await head_of(bot)
    first = await push_branch(bot, "topic", "a", "1")
    second = await commit_file(bot, "a", "2", parent=first)
    await bot.git.async_update_ref(*HELLO, "heads/topic", sha=second)
    other = await commit_file(bot, "a", "3", parent=main)
    refusal = await refused(bot.git.async_update_ref(*HELLO, "heads/topic", sha=other))
    assert (refusal.status, refusal.message) == (422, "Update is not a fast forward")
    await bot.git.async_update_ref(*HELLO, "heads/topic", sha=other, force=True)
    assert await head_of(bot, "topic") == other


async def test_a_ref_that_does_not_exist_cannot_be_moved_or_deleted(bot: Client) -> None:
    sha = await head_of(bot)
    for call in (
        bot.git.async_update_ref(*HELLO, "heads/gone", sha=sha),
        bot.git.async_delete_ref(*HELLO, "heads/gone"),
    ):
        refusal = await refused(call)
        assert (refusal.status, refusal.message) == (422, "Reference does not exist")


async def test_a_deleted_branch_can_be_created_again(bot: Client) -> None:
    sha = await push_branch(bot, "topic", "a", "a")
    await bot.git.async_delete_ref(*HELLO, "heads/topic")
    assert (await refused(bot.git.async_get_ref(*HELLO, "heads/topic"))).status == 404
    await bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)


async def test_the_default_branch_cannot_be_deleted(bot: Client) -> None:
    assert (await refused(bot.git.async_delete_ref(*HELLO, "heads/main"))).status == 422


async def test_branches_are_listed_by_the_start_of_their_name(bot: Client) -> None:
    for name in ("add-kernel/b", "add-kernel/a", "other"):
        await push_branch(bot, name, name, "")
    listed = await got(bot.git.async_list_matching_refs(*HELLO, "heads/add-kernel/"))
    assert [ref.ref for ref in listed] == ["refs/heads/add-kernel/a", "refs/heads/add-kernel/b"]


async def test_a_ref_is_shown_by_its_exact_name_only(bot: Client) -> None:
    await push_branch(bot, BRANCH, "a", "a")
    assert (await refused(bot.git.async_get_ref(*HELLO, "heads/add-kernel"))).status == 404


async def test_a_branch_shows_its_newest_commit(bot: Client, github: Sandbox) -> None:
    sha = await push_branch(bot, BRANCH, "a", "a")
    branch = await got(bot.repos.async_get_branch(*HELLO, BRANCH))
    assert branch.commit.sha == sha
    assert branch.commit.author is not None
    assert github.calls[-1].path.endswith(BRANCH)
    assert (await refused(bot.repos.async_get_branch(*HELLO, "gone"))).status == 404
