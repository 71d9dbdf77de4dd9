"""Deliveries are recorded for three days and can be asked for again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from .support import Client, app_jwt, got, push_branch, refused

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox

    from .support import Clock, Receiver


async def push(bot: Client, github: Sandbox, *names: str) -> None:
    """Cause one delivery for each name, one after the other."""
    for name in names:
        await push_branch(bot, name, name, name)
        await github.settled()


async def test_a_delivery_is_listed_and_shown_in_whole(
    app: Client, bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    await push(bot, github, "topic")
    (item,) = await got(app.apps.async_list_webhook_deliveries())
    assert (item.event, item.status, item.status_code) == ("push", "OK", 202)
    assert not item.redelivery
    assert item.guid == receiver.arrived[0].headers["X-GitHub-Delivery"]
    shown: Any = (await app.apps.async_get_webhook_delivery(item.id)).json()
    assert shown["request"]["payload"]["ref"] == "refs/heads/topic"
    assert shown["request"]["headers"]["X-GitHub-Delivery"] == item.guid
    assert shown["response"]["payload"] == "taken"


async def test_a_failed_delivery_is_not_sent_again_by_itself(
    app: Client, bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    receiver.status = 500
    await push(bot, github, "topic")
    assert len(receiver.arrived) == 1
    (item,) = await got(app.apps.async_list_webhook_deliveries(status="failure"))
    assert (item.status, item.status_code) == ("Invalid HTTP Response: 500", 500)
    assert await got(app.apps.async_list_webhook_deliveries(status="success")) == []


async def test_a_host_that_cannot_be_reached_is_a_failed_delivery(
    app: Client, bot: Client, github: Sandbox, unused_tcp_port: int
) -> None:
    github.webhook_url = f"http://127.0.0.1:{unused_tcp_port}/webhooks/github"
    await push(bot, github, "topic")
    (item,) = await got(app.apps.async_list_webhook_deliveries(status="failure"))
    assert item.status == "failed to connect to host"


async def test_a_redelivery_repeats_guid_and_payload(
    app: Client, bot: Client, github: Sandbox, receiver: Receiver
) -> None:
    receiver.status = 500
    await push(bot, github, "topic")
    receiver.status = 202
    (failed,) = await got(app.apps.async_list_webhook_deliveries())
    response = await app.apps.async_redeliver_webhook_delivery(failed.id)
    assert response.status_code == 202
    await github.settled()
    first, second = receiver.arrived
    assert first.body == second.body
    assert first.headers["X-GitHub-Delivery"] == second.headers["X-GitHub-Delivery"]
    listed = await got(app.apps.async_list_webhook_deliveries())
    assert [(item.redelivery, item.status_code) for item in listed] == [(True, 202), (False, 500)]


async def test_deliveries_are_listed_newest_first_behind_a_cursor(
    app: Client, bot: Client, github: Sandbox
) -> None:
    await push(bot, github, "one", "two", "three")
    newest_first = [delivery.id for delivery in reversed(github.deliveries)]
    first = await app.apps.async_list_webhook_deliveries(per_page=2)
    assert [item.id for item in first.parsed_data] == newest_first[:2]
    cursor = f"v1_{newest_first[2]}"
    assert f"cursor={cursor}" in first.headers["Link"]
    second = await app.apps.async_list_webhook_deliveries(per_page=2, cursor=cursor)
    assert [item.id for item in second.parsed_data] == newest_first[2:]
    assert "Link" not in second.headers


async def test_deliveries_are_forgotten_after_three_days(
    app: Client, bot: Client, github: Sandbox, clock: Clock
) -> None:
    await push(bot, github, "topic")
    (item,) = await got(app.apps.async_list_webhook_deliveries())
    clock.ahead = timedelta(days=3)
    later = int(clock().timestamp())
    app = Client(github, app_jwt(github, iat=later - 60, exp=later + 480))
    assert await got(app.apps.async_list_webhook_deliveries()) == []
    assert (await refused(app.apps.async_redeliver_webhook_delivery(item.id))).status == 404


async def test_only_the_app_sees_its_deliveries(bot: Client) -> None:
    assert (await refused(bot.apps.async_list_webhook_deliveries())).status == 401


@pytest.mark.parametrize("number", [1, 99])
async def test_an_unknown_delivery_is_not_found(app: Client, number: int) -> None:
    assert (await refused(app.apps.async_get_webhook_delivery(number))).status == 404
