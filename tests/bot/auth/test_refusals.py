"""Callers that are turned away are counted, and told to the operator in few lines."""

from __future__ import annotations

import dataclasses
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from kmodbot.bot import keys
from kmodbot.bot.auth.caller import Role
from kmodbot.bot.auth.issuers import IssuerSettings
from kmodbot.bot.auth.refusals import Reason, Refusals, Refused
from kmodbot.bot.auth.tokens import ApiToken, digest_of, new_token
from kmodbot.bot.metrics import Metrics
from tests.bot.auth.support import AUDIENCE, NODE, running_issuer
from tests.bot.conftest import DEBIAN, running_bot

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def refusals(metrics: Metrics, clock: Clock) -> Refusals:
    return Refusals(metrics.auth, clock)


def refused(who: str, reason: Reason = Reason.UNKNOWN) -> Refused:
    return Refused(HTTPStatus.FORBIDDEN, "forbidden", "the bot does not know it", reason, who)


def counted(metrics: Metrics, reason: Reason) -> float | None:
    return metrics.registry.get_sample_value("kmodbot_auth_refused_total", {"reason": reason})


def test_a_caller_has_a_line_a_minute(
    refusals: Refusals, clock: Clock, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(61):
        clock.now = second
        refusals.note(refused("a node"), f"10.0.0.{second}", "/build")

    first, second_line = caplog.messages
    assert first == "refused a node from 10.0.0.0 at /build: the bot does not know it"
    assert second_line.endswith("(59 more refusals since the last such line)")
    assert counted(metrics, Reason.UNKNOWN) == 61


def test_a_fleet_of_wrong_tokens_does_not_flood_the_log(
    refusals: Refusals, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(10_000):
        refusals.note(refused(f"node {number}"), "10.0.0.1", "/build")

    assert len(caplog.messages) == 20
    assert counted(metrics, Reason.UNKNOWN) == 10_000


def test_who_looks_for_holes_is_counted_only(
    refusals: Refusals, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    refusals.note(refused("a caller", Reason.MISSING), "10.0.0.1", None)

    assert caplog.messages == []
    assert counted(metrics, Reason.MISSING) == 1


async def post(bot: Bot, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with bot.client.post("/build", json=DEBIAN, headers=headers) as answer:
        return answer.status


async def test_a_wrong_api_token_is_told_by_its_fingerprint(
    settings: Settings, github: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    known, old = new_token(), new_token()
    guarded = dataclasses.replace(settings, api_tokens=(ApiToken.of(known, "eu", Role.NODE),))
    async with running_bot(guarded, github) as bot:
        assert await post(bot, old) == 403
        assert await post(bot, "hunter2-hunter2-hunter2") == 403
        assert await post(bot, None) == 401
        assert await post(bot, known) == 202

    told = [message for message in caplog.messages if message.startswith("refused")]
    assert [message.split(" at /build: ")[0].split(" from ")[0] for message in told] == [
        f"refused the holder of the API token whose sha256 begins with {digest_of(old).hex()[:12]}",
        "refused a caller",
        "refused a caller without a token",
    ]
    assert "from 127.0.0.1 at /build: " in told[0]
    for secret in (old, known, "hunter2", digest_of("hunter2-hunter2-hunter2").hex()[:12]):
        assert secret not in caplog.text


async def test_a_token_of_an_issuer_is_told_by_whom_it_names(
    settings: Settings, github: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_issuer() as issuer:
        trusted = IssuerSettings((issuer.url,), (AUDIENCE,), subjects=(NODE,))
        async with running_bot(dataclasses.replace(settings, oidc=trusted), github) as bot:
            assert await post(bot, issuer.token(exp=1)) == 401
            assert await post(bot, issuer.token(sub="somebody\nelse")) == 401
            assert await post(bot, issuer.token(sub="stranger")) == 403
            metrics = bot.app[keys.METRICS]

    assert f"who claims to be {issuer.url}#{NODE}" in caplog.text
    assert r"somebody\nelse" in caplog.text
    assert f"refused {issuer.url}#stranger from" in caplog.text
    assert [counted(metrics, reason) for reason in (Reason.EXPIRED, Reason.SUBJECT)] == [1, 1]


async def test_a_json_web_token_for_a_bot_without_issuers_is_told(
    settings: Settings, github: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = (ApiToken.of(new_token(), "eu", Role.NODE),)
    async with (
        running_issuer() as issuer,
        running_bot(dataclasses.replace(settings, api_tokens=tokens), github) as bot,
    ):
        assert await post(bot, issuer.token()) == 403

    assert "KMODBOT_OIDC_ISSUERS is not set" in caplog.text


async def test_a_webhook_of_another_secret_is_told(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"X-Hub-Signature-256": f"sha256={'0' * 64}"}
    async with bot.client.post("/webhooks/github", json={}, headers=headers) as answer:
        assert answer.status == 401

    assert "refused a webhook delivery from 127.0.0.1" in caplog.text
    assert "compare the webhook secret on both sides" in caplog.text
