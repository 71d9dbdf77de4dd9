"""Every API request is counted, and can be stopped at a chosen moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .support import HELLO, Client, app_jwt, got, head_of, mint, refused

if TYPE_CHECKING:
    import pytest

    from kmodbot.sandbox import Call, Sandbox


async def test_calls_name_method_path_status_and_actor(
    github: Sandbox, bot: Client, app: Client, maintainer: Client, nobody: Client
) -> None:
    github.calls.clear()
    for client in (bot, maintainer, nobody):
        await client.repos.async_get(*HELLO)
    await app.apps.async_get_authenticated()
    await refused(bot.pulls.async_get(*HELLO, 7))
    assert [(call.method, call.path, call.status, call.actor) for call in github.calls] == [
        ("GET", "/repos/acme/hello-driver", 200, "installation"),
        ("GET", "/repos/acme/hello-driver", 200, "maintainer"),
        ("GET", "/repos/acme/hello-driver", 200, None),
        ("GET", "/app", 200, "app"),
        ("GET", "/repos/acme/hello-driver/pulls/7", 404, "installation"),
    ]


async def test_an_observer_sees_a_write_before_and_after_it_is_applied(
    bot: Client, github: Sandbox
) -> None:
    sha = await head_of(bot)
    seen: list[tuple[str, int | None, bool]] = []
    looker = Client(github, None)

    async def look(call: Call, moment: str) -> None:
        if call.method == "POST":
            refs = await got(looker.git.async_list_matching_refs(*HELLO, "heads/topic"))
            seen.append((moment, call.status, bool(refs)))

    github.observe(look)
    await bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)
    assert seen[:2] == [("received", None, False), ("applied", 201, True)]


async def test_the_answer_waits_for_the_observer(bot: Client, github: Sandbox) -> None:
    reached, may_go_on, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stop(_: Call, moment: str) -> None:
        if moment == "applied":
            reached.set()
            await may_go_on.wait()
        if moment == "answered":
            answered.set()

    github.observe(stop)
    request = asyncio.create_task(bot.repos.async_get(*HELLO))
    await reached.wait()
    assert not request.done()
    may_go_on.set()
    await request
    await answered.wait()


async def test_a_caller_that_went_away_does_not_undo_its_write(
    bot: Client, github: Sandbox
) -> None:
    sha = await head_of(bot)
    gone, answered = asyncio.Event(), asyncio.Event()

    async def stop(call: Call, moment: str) -> None:
        if call.method == "POST" and moment == "received":
            request.cancel()
            await gone.wait()
        if call.method == "POST" and moment == "answered":
            answered.set()

    github.observe(stop)
    create = bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)
    request: asyncio.Task[object] = asyncio.ensure_future(create)
    await asyncio.wait([request])
    gone.set()
    await answered.wait()
    assert await head_of(bot, "topic") == sha


async def test_no_secret_is_logged(
    github: Sandbox, bot: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = await mint(github)
    await bot.repos.async_get(*HELLO)
    assert "/repos/acme/hello-driver" in caplog.text
    for secret in (token, app_jwt(github), github.webhook_secret, github.maintainer_token):
        assert secret not in caplog.text
