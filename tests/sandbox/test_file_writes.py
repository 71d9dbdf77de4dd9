"""One file is written to a branch in one call; whoever is late is told so."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from .support import HELLO, Client, get_file, got, head_of, mint, read_file, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kmodbot.sandbox import Sandbox

LIST = ".github/kernels.json"


def write(of: Client, path: str, text: str, **more: Any) -> Awaitable[Any]:
    content = base64.b64encode(text.encode()).decode()
    return of.repos.async_create_or_update_file_contents(
        *HELLO, path, message=f"Write {path}", content=content, **more
    )


async def test_a_file_is_replaced_by_a_commit_on_its_branch(bot: Client) -> None:
    main = await head_of(bot)
    await bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=main)
    before = await get_file(bot, LIST)

    written = await got(write(bot, LIST, "{}\n", branch="topic", sha=before.sha))

    assert await read_file(bot, LIST, "topic") == b"{}\n"
    assert await head_of(bot, "topic") == written.commit.sha
    assert await head_of(bot) == main
    commit = await got(bot.git.async_get_commit(*HELLO, written.commit.sha or ""))
    assert [parent.sha for parent in commit.parents] == [main]


async def test_a_new_file_replaces_nothing(bot: Client) -> None:
    response = await write(bot, "new.txt", "text\n", branch="main")

    assert response.status_code == 201
    assert await read_file(bot, "new.txt") == b"text\n"


async def test_of_two_writers_one_is_told_that_the_other_was_faster(bot: Client) -> None:
    before = await get_file(bot, LIST)
    answers = await asyncio.gather(
        *(write(bot, LIST, text, branch="main", sha=before.sha) for text in ("1\n", "2\n")),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Exception) for answer in answers) == 1
    refusal = await refused(write(bot, LIST, "3\n", branch="main", sha=before.sha))
    assert (refusal.status, "does not match" in refusal.message) == (409, True)


async def test_what_is_replaced_has_to_be_named(bot: Client) -> None:
    refusal = await refused(write(bot, LIST, "{}\n", branch="main"))

    assert (refusal.status, '"sha" wasn\'t supplied.' in refusal.message) == (422, True)


async def test_a_branch_that_is_missing_is_not_made(bot: Client) -> None:
    assert (await refused(write(bot, "new.txt", "text\n", branch="other"))).status == 404


async def test_writing_needs_the_permission(github: Sandbox) -> None:
    reader = Client(github, await mint(github, contents="read"))

    assert (await refused(write(reader, "new.txt", "text\n", branch="main"))).status == 403
