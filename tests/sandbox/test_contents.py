"""Files and directories of the repository, as JSON and raw."""

from __future__ import annotations

from .support import (
    CONTENT,
    HELLO,
    Client,
    commit_file,
    decoded,
    get_file,
    got,
    head_of,
    push_branch,
    read_file,
    refused,
)

PATH = ".github/kernels.json"
URL = f"/repos/acme/hello-driver/contents/{PATH}"


async def test_a_file_comes_in_base64(bot: Client) -> None:
    shown = await get_file(bot, PATH)
    assert shown.encoding == "base64"
    assert decoded(shown.content) == CONTENT[PATH]
    blob = await got(bot.git.async_get_blob(*HELLO, shown.sha))
    assert blob.size == shown.size == len(CONTENT[PATH])


async def test_a_file_comes_raw_to_who_accepts_it(bot: Client) -> None:
    headers = {"Accept": "application/vnd.github.raw+json"}
    response = await bot.request("GET", URL, headers=headers)
    assert response.content == CONTENT[PATH]


async def test_a_file_is_read_from_any_branch_tag_or_commit(bot: Client) -> None:
    first = await head_of(bot)
    second = await push_branch(bot, "topic", PATH, "new")
    for ref, text in (("topic", b"new"), (second, b"new"), (first, CONTENT[PATH])):
        assert await read_file(bot, PATH, ref) == text
    assert await read_file(bot, PATH, "v0.1.0") == CONTENT[PATH]


async def test_a_directory_lists_what_is_in_it(bot: Client) -> None:
    root = await got(bot.repos.async_get_content(*HELLO, ""))
    assert isinstance(root, list)
    assert [(entry.type, entry.path) for entry in root] == [
        ("dir", ".github"),
        ("file", "hello.c"),
    ]


async def test_a_large_file_comes_only_raw(bot: Client) -> None:
    sha = await commit_file(bot, "large", "x" * (1024 * 1024 + 1))
    shown = await get_file(bot, "large", sha)
    assert (shown.encoding, shown.content) == ("none", "")


async def test_what_is_not_there_is_not_found(bot: Client) -> None:
    for call in (
        bot.repos.async_get_content(*HELLO, "gone"),
        bot.repos.async_get_content(*HELLO, "hello.c/gone"),
        bot.repos.async_get_content(*HELLO, PATH, ref="gone"),
    ):
        assert (await refused(call)).status == 404
