"""Deliveries that failed are sent again: once, the oldest first, and only those that matter."""

from __future__ import annotations

import dataclasses
import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from kmodbot.bot import keys
from kmodbot.bot.github import hooks
from kmodbot.bot.github.errors import GitHubDenied, GitHubGone, GitHubUnavailable
from kmodbot.bot.github.hooks import HookDeliveries, HookDelivery
from kmodbot.bot.repairs import redelivery
from kmodbot.bot.repairs.redelivery import failures
from kmodbot.bot.store.deliveries import Delivery
from kmodbot.sandbox import Fault
from tests.bot.conftest import eventually, running_bot
from tests.bot.stored import receive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.github.client import GitHubClient
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot

NOW = datetime(2026, 11, 23, tzinfo=UTC)
DOWN = "http://127.0.0.1:9/webhooks/github"


def tried(number: int, guid: str = "one", **changes: object) -> HookDelivery:
    moment = NOW + timedelta(seconds=number)
    base = HookDelivery(number, guid, "workflow_run", "completed", moment, False, False)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def test_the_oldest_failure_comes_first() -> None:
    newest_first = [tried(3, "three"), tried(2, "two"), tried(1, "one")]

    assert [each.guid for each in failures(newest_first)] == ["one", "two", "three"]


@pytest.mark.parametrize(
    "attempts",
    [
        [tried(1, is_ok=True)],
        [tried(2, is_ok=True, is_redelivery=True), tried(1)],
        [tried(2, is_redelivery=True), tried(1)],
        [tried(1, event="release", action="published")],
        [tried(1, action="in_progress")],
        [tried(1, event="push", action=None)],
    ],
    ids=["delivered", "redelivered", "in vain", "unread", "outdated", "made up for"],
)
def test_what_need_not_be_sent_again_is_not(attempts: list[HookDelivery]) -> None:
    assert failures(attempts) == []


async def test_what_is_too_much_to_be_read_at_once_is_read_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "_PAGES", 2)
    ids = [7, 6, 5, 4, 3]

    class Client:
        async def page_as_app(self, url: str) -> tuple[list[dict[str, object]], str | None]:
            place = int(url.partition("cursor=")[2] or 0)
            at = (NOW + timedelta(seconds=ids[place])).isoformat()
            item = {"id": ids[place], "guid": "g", "event": "push", "delivered_at": at}
            more = f"/app/hook/deliveries?cursor={place + 1}" if place + 1 < len(ids) else None
            return [item | {"status_code": 502, "redelivery": False, "action": None}], more

    deliveries = HookDeliveries(cast("GitHubClient", Client()))

    async def read(since: int) -> list[int]:
        return [each.id for each in await deliveries.since(NOW + timedelta(seconds=since))]

    assert await read(4) == [7, 6]
    assert await read(8) == [5]
    assert await read(8) == [4]
    assert await read(8) == []


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (GitHubGone(404, "Not Found"), False),
        (GitHubUnavailable("GitHub answered 502"), True),
        (GitHubDenied(401, "not let in", "another key"), True),
    ],
)
async def test_a_place_in_the_list_that_is_gone_is_not_gone_back_to(
    monkeypatch: pytest.MonkeyPatch, error: Exception, is_kept: bool
) -> None:
    monkeypatch.setattr(hooks, "_PAGES", 1)
    asked: list[str] = []
    place = "/app/hook/deliveries?cursor=1"
    pages_to_come = [None, None, place]

    class Client:
        async def page_as_app(self, url: str) -> tuple[list[dict[str, object]], str | None]:
            asked.append(url)
            if url == place:
                raise error
            return [], pages_to_come.pop()

    deliveries = HookDeliveries(cast("GitHubClient", Client()))
    await deliveries.since(NOW)
    monkeypatch.setattr(hooks, "_PAGES", 2)
    with pytest.raises(GitHubUnavailable):
        await deliveries.since(NOW)
    asked.clear()

    with pytest.raises(GitHubUnavailable) if is_kept else nullcontext():
        await deliveries.since(NOW)

    assert (place in asked) is is_kept


@pytest.fixture
async def bot_that_was_away(settings: Settings, github: Sandbox) -> AsyncIterator[Bot]:
    """Run a bot whose last run ended, and whose list changed, while it was not reachable."""
    patient = dataclasses.replace(settings, overdue_seconds=3600, redeliver_seconds=1e-6)
    async with running_bot(patient, github) as bot:
        github.webhook_url = DOWN
        await bot.ask()
        await github.settled()
        assert {delivery.status_code for delivery in github.deliveries} == {502}
        github.webhook_url = str(bot.client.make_url("/webhooks/github"))
        yield bot


async def test_what_happened_while_the_bot_was_away_is_made_up_for(
    bot_that_was_away: Bot, github: Sandbox
) -> None:
    await bot_that_was_away.reconcile()
    await bot_that_was_away.settled()

    assert len(github.pulls) == 1
    again = [delivery for delivery in github.deliveries if delivery.redelivery]
    assert [(each.event, each.action) for each in again] == [("workflow_run", "completed")]
    assert again[0].status_code == 202


async def test_what_was_sent_again_is_not_sent_a_third_time(
    bot_that_was_away: Bot, github: Sandbox
) -> None:
    for _ in range(3):
        await bot_that_was_away.reconcile()
        await bot_that_was_away.settled()

    assert bot_that_was_away.calls("POST", "/attempts") == 1


async def test_what_the_store_has_already_is_not_asked_for(
    bot_that_was_away: Bot, github: Sandbox
) -> None:
    # GitHub gave up waiting for the answer, but the delivery had arrived.
    (completed,) = (each for each in github.deliveries if each.action == "completed")
    body = json.dumps(completed.payload).encode()
    deliveries = bot_that_was_away.app[keys.DELIVERIES]
    await receive(deliveries, Delivery(completed.guid, "workflow_run", body), datetime.now(UTC))

    await bot_that_was_away.reconcile()

    assert bot_that_was_away.calls("POST", "/attempts") == 0


async def test_a_flood_is_taken_in_portions(
    bot_that_was_away: Bot, github: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redelivery, "_MOST_AT_ONCE", 2)
    github.webhook_url = DOWN
    for version in ("v0.2.0", "v0.3.0", "v0.4.0", "v0.5.0"):
        await bot_that_was_away.ask(driver_version=version)
    await github.settled()
    github.webhook_url = str(bot_that_was_away.client.make_url("/webhooks/github"))

    portions = []
    for _ in range(4):
        before = bot_that_was_away.calls("POST", "/attempts")
        await bot_that_was_away.reconcile()
        await bot_that_was_away.settled()
        portions.append(bot_that_was_away.calls("POST", "/attempts") - before)

    assert portions == [2, 2, 1, 0]


async def test_one_that_github_has_forgotten_does_not_keep_the_others_from_coming(
    bot_that_was_away: Bot, github: Sandbox
) -> None:
    github.webhook_url = DOWN
    await bot_that_was_away.ask(driver_version="v0.2.0")
    await github.settled()
    github.webhook_url = str(bot_that_was_away.client.make_url("/webhooks/github"))
    github.faults.add(Fault(method="POST", path="/attempts$", kind="status", status=404))

    await bot_that_was_away.reconcile()
    await bot_that_was_away.settled()

    assert bot_that_was_away.calls("POST", "/attempts") == 2
    assert len([each for each in github.deliveries if each.redelivery]) == 1


async def test_a_list_of_several_pages_is_read_to_its_end(
    bot_that_was_away: Bot, github: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmodbot.bot.github.hooks._PER_PAGE", 1)

    await bot_that_was_away.reconcile()

    assert bot_that_was_away.calls("GET", "/app/hook/deliveries") > 3
    await eventually(lambda: len(github.pulls) == 1)


async def test_one_of_several_processes_asks_in_each_interval(
    settings: Settings, github: Sandbox
) -> None:
    async with running_bot(settings, github) as one, running_bot(settings, github) as two:
        await one.reconcile()
        await two.reconcile()

    assert one.calls("GET", "/app/hook/deliveries") == 1
