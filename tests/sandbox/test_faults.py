"""Faults happen when asked for, as often as asked for, and then no more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from githubkit.exception import (
    PrimaryRateLimitExceeded,
    RequestError,
    SecondaryRateLimitExceeded,
)

from kmodbot.sandbox import Fault

from .support import HELLO, Client, got, head_of, push_branch, refused

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox

    from .support import Receiver


async def test_a_status_fault_applies_nothing(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="status", status=500, method="POST", path=r"/git/refs$"))
    sha = await head_of(bot)
    call = bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)
    assert (await refused(call)).status == 500
    assert (await refused(bot.git.async_get_ref(*HELLO, "heads/topic"))).status == 404
    await bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)


async def test_a_lost_answer_was_applied(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="lost_answer", method="POST", path=r"/git/refs$"))
    call = bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=await head_of(bot))
    assert (await refused(call)).status == 502
    assert await head_of(bot, "topic") == await head_of(bot)


async def test_a_dropped_answer_was_applied(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="lost_answer", drop=True, path=r"/git/refs$"))
    sha = await head_of(bot)
    with pytest.raises(RequestError):
        await bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)
    assert github.calls[-1].status is None
    assert await head_of(bot, "topic") == sha


async def test_a_reset_applies_nothing(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="reset", path=r"/git/refs$"))
    sha = await head_of(bot)
    with pytest.raises(RequestError):
        await bot.git.async_create_ref(*HELLO, ref="refs/heads/topic", sha=sha)
    assert (await refused(bot.git.async_get_ref(*HELLO, "heads/topic"))).status == 404


async def test_a_secondary_limit_says_when_to_come_back(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="secondary_limit", seconds=7))
    with pytest.raises(SecondaryRateLimitExceeded) as caught:
        await bot.repos.async_get(*HELLO)
    assert caught.value.response.headers["Retry-After"] == "7"
    assert "secondary rate limit" in caught.value.response.json()["message"]


async def test_a_primary_limit_says_that_nothing_remains(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="primary_limit"))
    with pytest.raises(PrimaryRateLimitExceeded) as caught:
        await bot.repos.async_get(*HELLO)
    headers = caught.value.response.headers
    assert headers["X-RateLimit-Remaining"] == "0"
    assert int(headers["X-RateLimit-Reset"]) > time.time()


async def test_a_delay_lets_the_request_through_later(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="delay", seconds=0.01, path="/hello-driver$"))
    await bot.repos.async_get(*HELLO)


async def test_a_fault_happens_as_often_as_it_says(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="status", status=503, times=2))
    statuses = [(await refused(bot.repos.async_get(*HELLO))).status for _ in range(2)]
    assert statuses == [503, 503]
    await bot.repos.async_get(*HELLO)


async def test_a_fault_leaves_other_requests_alone(bot: Client, github: Sandbox) -> None:
    github.faults.add(Fault(kind="status", method="POST", path="/pulls$"))
    await head_of(bot)
    await push_branch(bot, "topic", "a", "a")


async def test_a_suspended_fault_spares_requests_until_it_goes_on(
    bot: Client, github: Sandbox
) -> None:
    github.faults.add(Fault(kind="status"))
    with github.faults.suspended():
        await head_of(bot)

    assert (await refused(bot.git.async_get_ref(*HELLO, "heads/main"))).status == 502


async def test_webhooks_are_lost_while_requests_are_spared(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    github.faults.add(Fault(kind="lost", event="push"))
    with github.faults.suspended():
        await push_branch(bot, "topic", "a", "a")
    await github.settled()

    assert github.deliveries == []


async def test_a_fault_that_strikes_nobody_is_idle(bot: Client, github: Sandbox) -> None:
    useful, useless = Fault(kind="status", times=2), Fault(kind="status", path="/nowhere")
    github.faults.add(useful)
    github.faults.add(useless)
    await refused(bot.git.async_get_ref(*HELLO, "heads/main"))
    github.faults.clear()

    assert github.faults.idle == [useless]


async def test_a_download_can_fail_too(github: Sandbox) -> None:
    github.faults.add(Fault(kind="status", status=503, path="/releases/download/"))
    url = f"{github.server_url}/acme/hello-driver/releases/download/v0.1.0/hello.deb"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 503


async def test_a_lost_webhook_never_arrives(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    github.faults.add(Fault(event="push", kind="lost"))
    await push_branch(bot, "one", "a", "a")
    await push_branch(bot, "two", "b", "b")
    await github.settled()
    assert receiver.events() == ["push"]
    assert len(github.deliveries) == 1


async def test_a_doubled_webhook_arrives_twice_under_one_guid(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    github.faults.add(Fault(event="push", kind="doubled"))
    await push_branch(bot, "topic", "a", "a")
    await github.settled()
    assert receiver.events() == ["push", "push"]
    assert len({delivered.headers["X-GitHub-Delivery"] for delivered in receiver.arrived}) == 1


async def test_a_delayed_webhook_arrives_after_later_ones(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    github.faults.add(Fault(event="release", action="created", kind="delay", seconds=0.2))
    await bot.repos.async_create_release(*HELLO, tag_name="v0.2.0")
    await github.settled()
    assert [delivery.action for delivery in github.deliveries][-1] == "created"


async def test_a_webhook_fault_waits_for_its_action(
    bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    github.faults.add(Fault(event="pull_request", action="closed", kind="lost"))
    await push_branch(bot, "topic", "a", "a")
    await bot.pulls.async_create(*HELLO, title="t", head="topic", base="main")
    await bot.pulls.async_update(*HELLO, 1, state="closed")
    await github.settled()
    assert receiver.events().count("pull_request") == 1


@pytest.mark.parametrize("fault", [{"kind": "lost"}, {"kind": "status", "event": "push"}])
def test_a_fault_of_the_wrong_kind_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="kind: expected one of"):
        Fault(**fault)


async def test_faults_are_set_and_cleared_over_http(bot: Client, github: Sandbox) -> None:
    url = f"{github.server_url}/_sandbox/faults"
    async with aiohttp.ClientSession() as session:
        fault = {"kind": "status", "status": 500}
        for _ in range(2):
            async with session.post(url, json=fault) as response:
                assert response.status == 201
        assert (await refused(bot.repos.async_get(*HELLO))).status == 500
        async with session.delete(url) as response:
            assert response.status == 204
    await bot.repos.async_get(*HELLO)


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"kind": "x"}', '{"kind": "reset", "x": 1}'])
async def test_a_fault_nobody_understands_is_refused(github: Sandbox, body: str) -> None:
    url = f"{github.server_url}/_sandbox/faults"
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
        assert response.status == 400


async def test_calls_and_state_are_shown_over_http(bot: Client, github: Sandbox) -> None:
    await push_branch(bot, "topic", "a", "a")
    await got(bot.pulls.async_create(*HELLO, title="t", head="topic", base="main"))
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{github.server_url}/_sandbox/calls") as response:
            calls = await response.json()
        async with session.get(f"{github.server_url}/_sandbox/state") as response:
            state = await response.json()
    assert calls[-1] == {
        "method": "POST",
        "path": "/repos/acme/hello-driver/pulls",
        "query": "",
        "status": 201,
        "actor": "installation",
    }
    assert state["pulls"] == [{"number": 1, "head": "topic", "state": "open", "merged": False}]
