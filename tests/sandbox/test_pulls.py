"""Pull requests: one for each branch, a real mergeability, a real merge."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from .support import HELLO, Client, commit_file, got, head_of, push_branch, read_file, refused

if TYPE_CHECKING:
    from githubkit_schemas.v2022_11_28.models import PullRequest

    from kmodbot.sandbox import Sandbox

KERNELS = ".github/kernels.json"


async def open_pull(
    bot: Client, branch: str, path: str = KERNELS, text: str = "[]\n"
) -> PullRequest:
    await push_branch(bot, branch, path, text)
    return await got(
        bot.pulls.async_create(*HELLO, title=f"Add {branch}", head=branch, base="main", body="why")
    )


async def mergeability(bot: Client, number: int) -> tuple[bool | None, str]:
    shown = await got(bot.pulls.async_get(*HELLO, number))
    return shown.mergeable, shown.mergeable_state


async def test_a_pull_request_shows_what_it_changes(bot: Client) -> None:
    pull = await open_pull(bot, "topic", "new.txt", "one\ntwo\n")
    assert (pull.number, pull.state, pull.merged, pull.body) == (1, "open", False, "why")
    assert (pull.head.label, pull.base.ref) == ("acme:topic", "main")
    assert (pull.commits, pull.changed_files, pull.additions, pull.deletions) == (1, 1, 2, 0)
    assert pull.user.login == "kmodbot[bot]"
    commits: Any = await got(bot.pulls.async_list_commits(*HELLO, 1))
    assert [commit.sha for commit in commits] == [pull.head.sha]
    files: Any = await got(bot.pulls.async_list_files(*HELLO, 1))
    (file,) = files
    assert (file.filename, file.status, file.additions) == ("new.txt", "added", 2)


async def test_a_duplicate_pull_request_is_refused(bot: Client) -> None:
    await open_pull(bot, "topic")
    for head in ("topic", "acme:topic"):
        call = bot.pulls.async_create(*HELLO, title="again", head=head, base="main")
        refusal = await refused(call)
        assert (refusal.status, refusal.message) == (422, "Validation Failed")
        assert refusal.errors == [
            {
                "resource": "PullRequest",
                "code": "custom",
                "message": "A pull request already exists for acme:topic.",
            }
        ]


@pytest.mark.parametrize(
    ("head", "base", "field"),
    [("gone", "main", "head"), ("other:main", "main", "head"), ("topic", "gone", "base")],
)
async def test_a_pull_request_between_unknown_branches_is_refused(
    bot: Client, head: str, base: str, field: str
) -> None:
    await push_branch(bot, "topic", "a", "a")
    refusal = await refused(bot.pulls.async_create(*HELLO, title="t", head=head, base=base))
    assert refusal.errors == [{"resource": "PullRequest", "code": "invalid", "field": field}]


async def test_a_pull_request_without_commits_is_refused(bot: Client) -> None:
    await bot.git.async_create_ref(*HELLO, ref="refs/heads/same", sha=await head_of(bot))
    refusal = await refused(bot.pulls.async_create(*HELLO, title="t", head="same", base="main"))
    assert refusal.errors[0]["message"] == "No commits between main and same"


async def test_pull_requests_are_found_by_branch_and_state(bot: Client) -> None:
    await open_pull(bot, "one")
    await open_pull(bot, "two")
    await bot.pulls.async_update(*HELLO, 1, state="closed")
    searches: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [2]),
        ({"state": "all"}, [2, 1]),
        ({"state": "all", "sort": "created"}, [1, 2]),
        ({"state": "all", "sort": "updated", "direction": "desc"}, [1, 2]),
        ({"state": "closed"}, [1]),
        ({"head": "acme:two"}, [2]),
        ({"head": "acme:one"}, []),
        ({"head": "acme:one", "state": "all"}, [1]),
        ({"base": "other"}, []),
    ]
    for search, found in searches:
        listed: Any = await got(bot.pulls.async_list(*HELLO, **search))
        assert [pull.number for pull in listed] == found, search


async def test_mergeability_is_unknown_until_somebody_asked(bot: Client) -> None:
    pull = await open_pull(bot, "topic")
    assert (pull.mergeable, pull.mergeable_state) == (None, "unknown")
    assert await mergeability(bot, 1) == (None, "unknown")
    assert await mergeability(bot, 1) == (True, "clean")


async def test_a_pull_request_in_conflict_with_its_base_cannot_be_merged(
    bot: Client, github: Sandbox
) -> None:
    await open_pull(bot, "one", text="one\n")
    await open_pull(bot, "two", text="two\n")
    await mergeability(bot, 2)
    assert await mergeability(bot, 2) == (True, "clean")
    await github.merge_pull(1)
    assert await mergeability(bot, 2) == (None, "unknown")
    assert await mergeability(bot, 2) == (False, "dirty")
    refusal = await refused(bot.pulls.async_merge(*HELLO, 2))
    assert (refusal.status, refusal.message) == (405, "Pull Request is not mergeable")
    with pytest.raises(RuntimeError, match="not mergeable"):
        await github.merge_pull(2)


async def test_a_branch_made_anew_on_its_base_resolves_the_conflict(
    bot: Client, github: Sandbox
) -> None:
    await open_pull(bot, "one", text="one\n")
    await open_pull(bot, "two", text="two\n")
    await github.merge_pull(1)
    sha = await commit_file(bot, KERNELS, "one\ntwo\n")
    await bot.git.async_update_ref(*HELLO, "heads/two", sha=sha, force=True)
    assert github.pulls[1].head_sha == sha
    await github.merge_pull(2)
    merged = await read_file(bot, KERNELS)
    assert merged == b"one\ntwo\n"


async def test_changes_of_different_lines_merge_into_one_file(bot: Client, github: Sandbox) -> None:
    lines = [f"line {n}\n" for n in range(20)]
    base = await commit_file(bot, "list", "".join(lines))
    await bot.git.async_update_ref(*HELLO, "heads/main", sha=base)
    await open_pull(bot, "top", "list", "".join(["first\n", *lines]))
    await open_pull(bot, "end", "list", "".join([*lines, "last\n"]))
    await github.merge_pull(1)
    await github.merge_pull(2)
    merged = await read_file(bot, "list")
    assert merged.decode().splitlines()[::21] == ["first", "last"]


async def test_a_merge_is_a_commit_with_two_parents(bot: Client, github: Sandbox) -> None:
    pull = await open_pull(bot, "topic")
    main = await head_of(bot)
    result = await github.merge_pull(1)
    commit = await got(bot.git.async_get_commit(*HELLO, result["sha"]))
    assert [parent.sha for parent in commit.parents] == [main, pull.head.sha]
    assert commit.message == "Merge pull request #1 from acme/topic\n\nAdd topic"
    shown = await got(bot.pulls.async_get(*HELLO, 1))
    assert (shown.state, shown.merged, shown.merge_commit_sha) == ("closed", True, result["sha"])
    assert shown.merged_by is not None
    assert shown.merged_by.login == "maintainer"
    assert await head_of(bot) == result["sha"]


async def test_a_squash_is_a_commit_with_one_parent(bot: Client) -> None:
    await open_pull(bot, "topic")
    main = await head_of(bot)
    merged = await got(
        bot.pulls.async_merge(*HELLO, 1, merge_method="squash", commit_message="all of it")
    )
    commit = await got(bot.git.async_get_commit(*HELLO, merged.sha))
    assert [parent.sha for parent in commit.parents] == [main]
    assert commit.message == "Add topic (#1)\n\nall of it"


async def test_a_merge_of_another_head_than_expected_is_refused(bot: Client) -> None:
    await open_pull(bot, "topic")
    refusal = await refused(bot.pulls.async_merge(*HELLO, 1, sha="0" * 40))
    assert (refusal.status, refusal.message[:25]) == (409, "Head branch was modified.")


async def test_a_pull_request_is_merged_once(bot: Client, github: Sandbox) -> None:
    await open_pull(bot, "topic")
    await github.merge_pull(1)
    assert (await refused(bot.pulls.async_merge(*HELLO, 1))).status == 405


async def test_a_draft_cannot_be_merged(bot: Client) -> None:
    await push_branch(bot, "topic", "a", "a")
    await bot.pulls.async_create(*HELLO, title="t", head="topic", base="main", draft=True)
    refusal = await refused(bot.pulls.async_merge(*HELLO, 1))
    assert (refusal.status, refusal.message) == (405, "Pull Request is still a draft")


async def test_unknown_ways_to_merge_are_refused(bot: Client) -> None:
    await open_pull(bot, "topic")
    url = "/repos/acme/hello-driver/pulls/1/merge"
    refusal = await refused(bot.request("PUT", url, json={"merge_method": "octopus"}))
    assert refusal.status == 422


async def test_title_and_body_can_be_changed(bot: Client) -> None:
    await open_pull(bot, "topic")
    changed = await got(bot.pulls.async_update(*HELLO, 1, title="new", body="text"))
    assert (changed.title, changed.body, changed.state) == ("new", "text", "open")


async def test_a_closed_pull_request_can_be_opened_again(bot: Client) -> None:
    await open_pull(bot, "topic")
    await bot.pulls.async_update(*HELLO, 1, state="closed")
    opened = await got(bot.pulls.async_update(*HELLO, 1, state="open"))
    assert (opened.state, opened.closed_at) == ("open", None)


async def test_a_merged_pull_request_stays_closed(bot: Client, github: Sandbox) -> None:
    await open_pull(bot, "topic")
    await github.merge_pull(1)
    refusal = await refused(bot.pulls.async_update(*HELLO, 1, state="open"))
    assert refusal.errors[0]["field"] == "state"


async def test_a_branch_that_is_deleted_closes_its_pull_request(bot: Client) -> None:
    await open_pull(bot, "topic")
    await bot.git.async_delete_ref(*HELLO, "heads/topic")
    shown = await got(bot.pulls.async_get(*HELLO, 1))
    assert (shown.state, shown.merged) == ("closed", False)


async def test_a_branch_without_changes_closes_its_pull_request(bot: Client) -> None:
    await open_pull(bot, "topic")
    await bot.git.async_update_ref(*HELLO, "heads/topic", sha=await head_of(bot), force=True)
    assert (await got(bot.pulls.async_get(*HELLO, 1))).state == "closed"


async def test_a_head_pushed_to_the_base_counts_as_merged(bot: Client) -> None:
    pull = await open_pull(bot, "topic")
    await bot.git.async_update_ref(*HELLO, "heads/main", sha=pull.head.sha)
    assert (await got(bot.pulls.async_get(*HELLO, 1))).merged


async def test_an_unknown_pull_request_is_not_found(bot: Client) -> None:
    assert (await refused(bot.pulls.async_get(*HELLO, 7))).status == 404


async def test_the_merged_file_is_json_again(bot: Client, github: Sandbox) -> None:
    await open_pull(bot, "topic", text=json.dumps({"x86_64": [1]}))
    await github.merge_pull(1)
    merged = await read_file(bot, KERNELS)
    assert json.loads(merged) == {"x86_64": [1]}
