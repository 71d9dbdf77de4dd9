"""Blobs, trees, commits and refs: the git data API on real objects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from .support import HELLO, Client, commit_file, decoded, got, head_of, push_branch, refused

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.sandbox import Sandbox


async def git(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "git", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_a_commit_made_through_the_api_is_a_git_commit(bot: Client, github: Sandbox) -> None:
    sha = await push_branch(bot, "topic", ".github/kernels.json", "{}\n")
    repository = str(github.repository_path)
    log = await git("-C", repository, "log", "-1", "--format=%H|%an|%s|%P", "topic")
    parent = await head_of(bot)
    assert log.strip() == f"{sha}|kmodbot[bot]|Write .github/kernels.json|{parent}"
    changed = await git("-C", repository, "show", "--format=", "--name-only", "topic")
    assert changed.split() == [".github/kernels.json"]
    await git("-C", repository, "fsck", "--strict")


async def test_the_repository_can_be_cloned(bot: Client, github: Sandbox, tmp_path: Path) -> None:
    await push_branch(bot, "topic", "new.txt", "text\n")
    clone = tmp_path / "clone"
    await git("clone", "--quiet", "--branch", "topic", github.clone_url, str(clone))
    assert (clone / "new.txt").read_text() == "text\n"
    assert (await git("-C", str(clone), "tag")).split() == ["v0.1.0"]


async def test_nothing_can_be_pushed_over_http(github: Sandbox, tmp_path: Path) -> None:
    clone = str(tmp_path / "clone")
    await git("clone", "--quiet", github.clone_url, clone)
    process = await asyncio.create_subprocess_exec(
        "git", "-C", clone, "push", "origin", "HEAD:topic", stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await process.communicate()
    assert process.returncode != 0
    assert b"403" in complaint


async def test_a_blob_comes_back_as_it_was(bot: Client) -> None:
    made = await got(bot.git.async_create_blob(*HELLO, content="AP8K", encoding="base64"))
    shown = await got(bot.git.async_get_blob(*HELLO, made.sha))
    assert decoded(shown.content) == b"\x00\xff\n"


async def test_a_tree_keeps_what_its_base_has(bot: Client) -> None:
    sha = await commit_file(bot, "deep/new.txt", "new")
    tree = await got(bot.git.async_get_tree(*HELLO, sha, recursive="1"))
    paths = {item.path: item.type for item in tree.tree}
    assert paths["deep/new.txt"] == paths["hello.c"] == "blob"
    assert paths["deep"] == "tree"


async def test_a_tree_without_base_has_only_its_entries(bot: Client) -> None:
    blob = await got(bot.git.async_create_blob(*HELLO, content="x"))
    entry: Any = {"path": "run", "mode": "100755", "type": "blob", "sha": blob.sha}
    tree = await got(bot.git.async_create_tree(*HELLO, tree=[entry]))
    assert [(item.path, item.mode) for item in tree.tree] == [("run", "100755")]


async def test_an_entry_with_a_null_sha_is_removed(bot: Client) -> None:
    base = (await got(bot.git.async_get_commit(*HELLO, await head_of(bot)))).tree.sha
    entry: Any = {"path": "hello.c", "mode": "100644", "type": "blob", "sha": None}
    tree = await got(bot.git.async_create_tree(*HELLO, base_tree=base, tree=[entry]))
    assert [item.path for item in tree.tree] == [".github"]


async def test_a_tree_can_hold_another_tree(bot: Client) -> None:
    base = (await got(bot.git.async_get_commit(*HELLO, await head_of(bot)))).tree.sha
    entry: Any = {"path": "copy", "mode": "040000", "type": "tree", "sha": base}
    tree = await got(bot.git.async_create_tree(*HELLO, tree=[entry]))
    assert [(item.path, item.sha) for item in tree.tree] == [("copy", base)]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"path": "\0", "content": "x"}, "tree.path contains a malformed path component"),
        ({"path": "a/../b", "content": "x"}, "tree.path contains a malformed path component"),
        ({"path": "/a", "content": "x"}, "tree.path contains a malformed path component"),
        ({"path": ".git/config", "content": "x"}, "tree.path contains a malformed path component"),
        ({"path": "a", "mode": "777", "content": "x"}, "tree.mode is not one of"),
        ({"path": "a", "sha": "0" * 40}, "tree.sha 0000"),
        ({"path": "a"}, 'Invalid request.\n\n"content" wasn\'t supplied.'),
        ({"path": "gone", "sha": None}, "GitRPC::BadObjectState"),
    ],
)
async def test_a_tree_with_a_bad_entry_is_refused(
    bot: Client, entry: dict[str, Any], says: str
) -> None:
    url = "/repos/acme/hello-driver/git/trees"
    refusal = await refused(bot.request("POST", url, json={"tree": [entry]}))
    assert refusal.status == 422
    assert refusal.message.startswith(says)


async def test_a_commit_names_the_author_it_is_given(bot: Client) -> None:
    head = await head_of(bot)
    tree = (await got(bot.git.async_get_commit(*HELLO, head))).tree.sha
    author: Any = {"name": "Ann", "email": "ann@example.org", "date": "2026-01-02T03:04:05Z"}
    commit = await got(
        bot.git.async_create_commit(*HELLO, message="m", tree=tree, parents=[head], author=author)
    )
    assert (commit.author.name, commit.committer.name) == ("Ann", "Ann")
    assert commit.author.date.isoformat() == "2026-01-02T03:04:05+00:00"
    assert not commit.verification.verified


@pytest.mark.parametrize(
    "author",
    [
        {"name": "", "email": "e"},
        {"name": "a\nb", "email": "e"},
        {"name": "n", "email": "\0"},
        {"name": "n", "email": "e", "date": "yesterday"},
        {"name": "n"},
        "Ann",
    ],
)
async def test_an_author_git_cannot_write_is_refused(bot: Client, author: Any) -> None:
    tree = (await got(bot.git.async_get_commit(*HELLO, await head_of(bot)))).tree.sha
    url = "/repos/acme/hello-driver/git/commits"
    body = {"message": "m", "tree": tree, "author": author}
    assert (await refused(bot.request("POST", url, json=body))).status == 422


async def test_a_file_may_take_the_place_of_a_directory(bot: Client, github: Sandbox) -> None:
    sha = await commit_file(bot, ".github", "a file")
    tree = await got(bot.git.async_get_tree(*HELLO, sha))
    assert [(item.path, item.type) for item in tree.tree] == [
        (".github", "blob"),
        ("hello.c", "blob"),
    ]
    await git("-C", str(github.repository_path), "fsck", "--strict")


async def test_a_blob_that_is_not_base64_is_refused(bot: Client) -> None:
    for content in ("é", "a"):
        call = bot.git.async_create_blob(*HELLO, content=content, encoding="base64")
        assert (await refused(call)).message == "content is not valid Base64."


async def test_a_commit_of_unknown_objects_is_refused(bot: Client) -> None:
    head, unknown = await head_of(bot), "0" * 40
    for tree, parents in ((unknown, [head]), (head, [head])):
        call = bot.git.async_create_commit(*HELLO, message="m", tree=tree, parents=parents)
        assert (await refused(call)).message == "Tree SHA does not exist"
    good = (await got(bot.git.async_get_commit(*HELLO, head))).tree.sha
    call = bot.git.async_create_commit(*HELLO, message="m", tree=good, parents=[unknown])
    assert (await refused(call)).message.startswith("Parent SHA does not exist")


async def test_objects_that_do_not_exist_are_not_found(bot: Client) -> None:
    for call in (bot.git.async_get_commit, bot.git.async_get_blob, bot.git.async_get_tree):
        assert (await refused(call(*HELLO, "0" * 40))).status == 404
