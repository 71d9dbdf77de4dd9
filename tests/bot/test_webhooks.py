"""Deliveries: which are taken, which are refused, and that none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import sqlite3
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import OperationalError

from kmodbot.bot import keys
from kmodbot.bot.store import intake
from kmodbot.bot.store.deliveries import Deliveries, DeliveryState
from kmodbot.sandbox import Fault
from tests.bot.conftest import eventually
from tests.bot.stored import waiting

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot

RUN = {
    "action": "completed",
    "workflow_run": {"id": 1},
    "repository": {"full_name": "acme/hello-driver", "default_branch": "main"},
}


def signed(body: bytes, secret: str, **changes: str | None) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "workflow_run",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-Hub-Signature-256": f"sha256={digest}",
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value is not None}


async def deliver(bot: Bot, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    async with bot.client.post("/webhooks/github", data=BytesIO(body), headers=headers) as answer:
        return answer.status, await answer.json()


async def stored(bot: Bot) -> int:
    return len(await waiting(bot.app[keys.DELIVERIES]))


async def test_a_delivery_for_an_unknown_run_is_worked_off_without_effect(
    bot: Bot, settings: Settings
) -> None:
    body = json.dumps(RUN).encode()

    status, answer = await deliver(bot, body, signed(body, settings.webhook_secrets[0].reveal()))

    assert (status, answer["message"]) == (202, "accepted")
    await bot.settled()


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=" + "0" * 64,
        "sha256=" + "0" * 63,
        "sha256=" + "0" * 65,
        "sha1=" + "0" * 40,
        "sha256=" + "é" * 64,
        "nonsense",
    ],
)
async def test_a_delivery_without_a_valid_signature_is_refused_and_not_stored(
    bot: Bot, signature: str | None
) -> None:
    body = json.dumps(RUN).encode()

    status, answer = await deliver(bot, body, signed(body, "wrong", X_Hub_Signature_256=signature))

    assert (status, answer["error"]["code"]) == (401, "invalid_signature")
    assert await stored(bot) == 0


async def test_a_sha1_signature_alone_is_not_enough(bot: Bot, settings: Settings) -> None:
    body = json.dumps(RUN).encode()
    secret = settings.webhook_secrets[0].reveal()
    sha1 = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    headers = signed(body, secret, X_Hub_Signature_256=None, X_Hub_Signature=f"sha1={sha1}")

    status, _ = await deliver(bot, body, headers)

    assert status == 401


@pytest.mark.parametrize("name", ["X-GitHub-Event", "X-GitHub-Delivery"])
async def test_a_signed_delivery_without_its_headers_is_refused(
    bot: Bot, settings: Settings, name: str
) -> None:
    body = json.dumps(RUN).encode()
    headers = signed(body, settings.webhook_secrets[0].reveal())
    del headers[name]

    status, answer = await deliver(bot, body, headers)

    assert (status, answer["error"]["code"]) == (400, "invalid_header")
    assert name in answer["error"]["message"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b"{}", b'{"workflow_run": {"id": "1"}}', b"[" * 50_000]
)
async def test_a_signed_delivery_of_another_form_is_refused(
    bot: Bot, settings: Settings, body: bytes
) -> None:
    headers = signed(body, settings.webhook_secrets[0].reveal())

    status, answer = await deliver(bot, body, headers)

    assert (status, answer["error"]["code"]) == (400, "invalid_payload")
    assert await stored(bot) == 0


@pytest.mark.parametrize("event", ["ping", "issues", "star", "an_event_of_the_future"])
async def test_other_events_are_accepted_and_ignored(
    bot: Bot, settings: Settings, event: str
) -> None:
    body = b'{"zen": "Keep it logically awesome."}'
    headers = signed(body, settings.webhook_secrets[0].reveal(), X_GitHub_Event=event)

    status, answer = await deliver(bot, body, headers)

    assert (status, answer["message"]) == (202, "ignored")
    assert await stored(bot) == 0


async def test_a_form_encoded_delivery_is_refused(bot: Bot, settings: Settings) -> None:
    body = b"payload=%7B%7D"
    secret = settings.webhook_secrets[0].reveal()
    headers = signed(body, secret, Content_Type="application/x-www-form-urlencoded")

    status, _ = await deliver(bot, body, headers)

    assert status == 415


async def test_the_largest_payload_that_github_sends_is_taken(bot: Bot, settings: Settings) -> None:
    padding = 25 * 1024 * 1024 - len(json.dumps(RUN | {"padding": ""}))
    body = json.dumps(RUN | {"padding": "x" * padding}).encode()
    assert len(body) == 25 * 1024 * 1024
    secret = settings.webhook_secrets[0].reveal()

    status, _ = await deliver(bot, body, signed(body, secret))
    assert status == 202
    status, _ = await deliver(bot, body + b" ", signed(body + b" ", secret))
    assert status == 413
    await bot.settled()


async def test_every_delivery_of_a_build_is_answered_with_202(bot: Bot, github: Sandbox) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    assert {delivery.status_code for delivery in github.deliveries} == {202}
    assert {"workflow_run", "push"} <= {delivery.event for delivery in github.deliveries}


async def test_a_redelivery_changes_nothing(bot: Bot, github: Sandbox) -> None:
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])
    before = len(github.calls)
    (completed,) = (d for d in github.deliveries if d.action == "completed")

    body = json.dumps(completed.payload).encode()
    headers = signed(body, github.webhook_secret, X_GitHub_Delivery=completed.guid)
    status, _ = await deliver(bot, body, headers)
    await bot.settled()

    assert status == 202
    assert len(github.calls) == before


async def test_a_delivery_that_cannot_be_stored_is_not_accepted(
    bot: Bot, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> set[str]:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(Deliveries, "receive_all", full)
    body = json.dumps(RUN).encode()

    status, answer = await deliver(bot, body, signed(body, settings.webhook_secrets[0].reveal()))

    assert (status, answer["error"]["code"]) == (503, "store_unavailable")


async def test_a_store_that_is_stuck_is_not_waited_for_longer_than_github_waits(
    bot: Bot, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bot.settled()
    monkeypatch.setattr(intake, "_LONGEST_SECONDS", 0.05)
    body = json.dumps(RUN).encode()
    with contextlib.closing(sqlite3.connect(tmp_path / "kmodbot.db")) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        status, answer = await deliver(
            bot, body, signed(body, settings.webhook_secrets[0].reveal())
        )
        other.execute("ROLLBACK")

    assert (status, answer["error"]["code"]) == (503, "store_unavailable")

    async def stored_late_and_done() -> bool:
        states = {each.state for each in await bot.app[keys.DELIVERIES].list(None, 10)}
        return states == {DeliveryState.DONE}

    await eventually(stored_late_and_done)


async def test_many_deliveries_at_once_are_stored_each_one_time(
    bot: Bot, settings: Settings
) -> None:
    secret = settings.webhook_secrets[0].reveal()
    body = json.dumps(RUN | {"action": "requested"}).encode()
    guids = [f"guid-{number % 30}" for number in range(60)]

    answers = await asyncio.gather(
        *(deliver(bot, body, signed(body, secret, X_GitHub_Delivery=guid)) for guid in guids)
    )

    assert {status for status, _ in answers} == {202}
    assert len(await bot.app[keys.DELIVERIES].list(None, 100)) == 30


async def test_of_a_delivery_only_what_the_bot_acts_on_is_kept(
    bot: Bot, settings: Settings, github: Sandbox
) -> None:
    github.faults.add(Fault(kind="status", status=502, times=99))
    body = json.dumps(RUN | {"sender": {"email": "someone@example.com"}}).encode()

    await deliver(bot, body, signed(body, settings.webhook_secrets[0].reveal()))
    await eventually(lambda: bot.calls("GET", "/actions/runs/1") > 0)

    (kept,) = await waiting(bot.app[keys.DELIVERIES])
    assert b"someone" not in kept.payload
    github.faults.clear()


async def test_the_size_is_looked_at_before_the_signature(bot: Bot) -> None:
    headers = {"Content-Length": str(26 * 1024 * 1024), "Expect": "100-continue"}
    async with bot.client.post("/webhooks/github", headers=headers, data=b"") as answer:
        assert answer.status == 413
