"""A GitHub that does not let the App in: the log, /readyz and nodes are told which and why."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kmodbot.bot.github.denials import denied
from kmodbot.bot.github.errors import GitHubRefused
from kmodbot.bot.secrets import Secret
from kmodbot.sandbox import Fault
from tests.bot.conftest import running_bot
from tests.bot.test_observability import ready

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox


def another_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, unencrypted = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, unencrypted).decode()


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (401, "A JSON web token could not be decoded", "not of one App"),
        (404, "Integration not found", "no App of the id"),
        (404, "Not Found", "not installed"),
        (403, "This installation has been suspended", "suspended"),
        (422, "The permissions requested are not granted to this installation.", "app.yml"),
    ],
)
def test_each_refusal_is_said_with_what_to_do(status: int, message: str, words: str) -> None:
    denial = denied(GitHubRefused(status, message))

    assert words in denial.reason
    assert f"{status}: {message}" in str(denial)


async def test_an_app_with_a_key_of_another_is_not_ready(
    settings: Settings, github: Sandbox
) -> None:
    stranger = dataclasses.replace(settings, private_key=Secret(another_key()))
    async with running_bot(stranger, github) as bot:
        status, body = await ready(bot)

    assert status == 503
    assert "GITHUB_APP_ID and the private key are not of one App" in body["checks"]["github"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"app_id": "999"}, "knows no App of the id that GITHUB_APP_ID has"),
        ({"repository": "acme/secret"}, "not installed on the repository that GITHUB_REPO"),
    ],
)
async def test_what_keeps_the_app_out_is_said_with_what_to_do(
    settings: Settings,
    github: Sandbox,
    changes: dict[str, Any],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_bot(dataclasses.replace(settings, **changes), github) as bot:
        asked, answer = await bot.ask()
        _, body = await ready(bot)

    assert words in body["checks"]["github"]
    assert "secret" not in body["checks"]["github"]
    assert (asked, answer["error"]["code"]) == (503, "github_unavailable")
    assert "refuses the bot" in answer["error"]["message"]
    told = [line for line in caplog.records if words in line.getMessage()]
    assert {line.levelname for line in told} == {"ERROR"}
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("status", "words"),
    [(301, None), (400, None), (404, None), (422, None), (401, "not of one App"), (403, "lacks")],
)
async def test_only_a_refusal_of_the_app_is_taken_for_one(
    settings: Settings,
    github: Sandbox,
    status: int,
    words: str | None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kmodbot.bot.reachability._SECONDS_UNTIL_AN_OUTAGE", 0.0)
    often = dataclasses.replace(settings, redeliver_seconds=1e-6)
    fault = Fault(path="/app/hook/deliveries$", kind="status", status=status, times=99)
    async with running_bot(often, github) as bot:
        github.faults.add(fault)
        await bot.reconcile()
        answered, body = await ready(bot)
        assert answered == (200 if words is None else 503)
        assert (words or "ok") in str(body["checks"]["github"])

        github.faults.clear()
        await bot.reconcile()
        assert (await ready(bot))[0] == 200

    assert not github.faults.idle
    assert "Traceback" not in caplog.text


async def test_the_log_says_at_the_start_that_the_app_is_kept_out(
    settings: Settings, github: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_bot(settings, github):
        """Leave nothing to repair to the next start."""
    stranger = dataclasses.replace(settings, private_key=Secret(another_key()))
    async with running_bot(stranger, github):
        assert "are not of one App" in caplog.text
