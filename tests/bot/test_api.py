"""Bad requests, waiting, and who may ask."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from kmodbot.bot.auth.tokens import ApiToken
from tests.bot.conftest import DEBIAN, running_bot

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kernel_version": 6.1}, "kernel_version"),
        ({"kernel_version": None}, "kernel_version"),
        ({"kernel_version": ["6.1.0-38-amd64"]}, "kernel_version"),
        ({"kernel_version": ""}, "kernel_version"),
        ({"kernel_version": "6.1.0-38-amd64; reboot"}, "kernel_version"),
        ({"kernel_version": "6.1.0-38-amd64\n"}, "kernel_version"),
        ({"kernel_version": "6.1.0-38-amd64/../x"}, "kernel_version"),
        ({"kernel_version": "6.1.0-٣٨-amd64"}, "kernel_version"),
        ({"kernel_version": "\ud800"}, "kernel_version"),
        ({"kernel_version": "6" * 10_000}, "kernel_version"),
        ({"kernel_version": "6.1.134-150.224.amzn2023.x86_64"}, "kernel_version"),
        ({"architecture": "riscv64"}, "architecture"),
        ({"architecture": True}, "architecture"),
        ({"distribution": "rocky"}, "distribution"),
        ({"distribution": "Debian"}, "distribution"),
        ({"distribution": {}}, "distribution"),
        ({"distro_version": "11"}, "distro_version"),
        ({"distro_version": "twelve"}, "distro_version"),
        ({"distro_version": 12}, "distro_version"),
        ({"driver_version": "latest"}, "driver_version"),
        ({"driver_version": "v0.1.0/../../x"}, "driver_version"),
        ({"driver_version": "${{ secrets.KEY }}"}, "driver_version"),
        ({"kernel_release": "6.1.0-38-amd64"}, "kernel_release"),
        ({"force": "yes"}, "force"),
        ({"force": None}, "force"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_dispatched(
    bot: Bot, change: dict[str, Any], field: str
) -> None:
    status, body = await bot.ask(**change)

    assert (status, body["error"]["code"]) == (400, "invalid_field")
    assert body["error"]["field"] == field
    assert body["error"]["message"]
    assert bot.calls("POST", "/dispatches") == 0


@pytest.mark.parametrize("field", ["kernel_version", "architecture", "distribution"])
async def test_a_missing_field_is_named(bot: Bot, field: str) -> None:
    request = {name: value for name, value in DEBIAN.items() if name != field}

    async with bot.client.post("/build", json=request) as answer:
        error = (await answer.json())["error"]

    assert (answer.status, error["field"]) == (400, field)
    assert "missing" in error["message"]
    assert bot.calls("POST", "/dispatches") == 0


async def test_a_release_of_fedora_is_not_built_for_amazon_linux(bot: Bot) -> None:
    status, body = await bot.ask(
        distribution="fedora",
        distro_version="42",
        kernel_version="6.1.134-150.224.amzn2023.x86_64",
    )

    assert (status, body["error"]["field"]) == (400, "kernel_version")
    assert "amazonlinux" in body["error"]["message"]


async def test_an_ambiguous_distro_version_is_asked_for_not_guessed(
    bot: Bot, github: Sandbox
) -> None:
    status, body = await bot.ask(
        distribution="ubuntu", distro_version=None, kernel_version="6.8.0-79-generic"
    )

    assert (status, body["error"]["field"]) == (400, "distro_version")
    assert "22.04" in body["error"]["message"]
    assert "24.04" in body["error"]["message"]
    assert github.runs == []


async def test_a_distro_version_that_the_release_decides_may_be_left_out(
    bot: Bot, github: Sandbox
) -> None:
    status, body = await bot.ask(
        distribution="fedora", distro_version=None, kernel_version="6.14.0-100.fc42.x86_64"
    )

    assert status == 202
    assert github.runs[0].inputs["distro_version"] == "42"
    await bot.finished(body["build_id"])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"text"', b"\xff", b"[" * 9000, b'{"a": 1} x', b"{'a': 1}"],
)
async def test_what_is_not_a_json_object_is_refused(bot: Bot, body: bytes) -> None:
    async with bot.client.post("/build", data=body, headers=JSON) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "invalid_json"


async def test_a_name_that_occurs_twice_is_refused(bot: Bot) -> None:
    body = json.dumps(DEBIAN)[:-1] + ', "distribution": "ubuntu"}'

    async with bot.client.post("/build", data=body, headers=JSON) as answer:
        assert answer.status == 400
        assert "distribution" in (await answer.json())["error"]["message"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_of_another_type_is_refused(bot: Bot, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    async with bot.client.post("/build", data=json.dumps(DEBIAN), headers=headers) as answer:
        assert answer.status == 415
        assert (await answer.json())["error"]["code"] == "unsupported_media_type"


async def test_a_body_over_the_limit_is_refused(bot: Bot) -> None:
    body = json.dumps(DEBIAN | {"distro_version": "1" * 20_000})

    async with bot.client.post("/build", data=body, headers=JSON) as answer:
        assert answer.status == 413


async def test_a_body_over_the_limit_is_refused_when_its_length_is_not_told(bot: Bot) -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 10_000

    async with bot.client.post("/build", data=endless(), headers=JSON) as answer:
        assert answer.status == 413


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/status/unknown", 404, "not_found"),
        ("GET", "/status/%2e%2e%2fetc", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/build", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("GET", "/status/unknown?wait=soon", 400, "invalid_field"),
        ("GET", "/status/unknown?wait=-1", 400, "invalid_field"),
        ("GET", "/status/unknown?wait=61", 400, "invalid_field"),
        ("GET", "/status/unknown?wait=nan", 400, "invalid_field"),
    ],
)
async def test_other_mistakes_have_the_same_form(
    bot: Bot, method: str, path: str, status: int, code: str
) -> None:
    async with bot.client.request(method, path) as answer:
        assert answer.status == status
        assert (await answer.json())["error"]["code"] == code


async def test_the_health_check_answers(bot: Bot) -> None:
    async with bot.client.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


class TestWaiting:
    async def test_a_waiting_status_answers_when_the_build_ends(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        _, asked = await bot.ask()
        waiting = asyncio.create_task(bot.status(asked["build_id"], wait=60))
        before = await bot.status(asked["build_id"])
        assert (before["status"], before["phase"]) == ("in_progress", "dispatched")
        assert not waiting.done()

        github.release_runs()

        assert (await waiting)["status"] == "done"

    async def test_without_wait_the_answer_comes_at_once(self, bot: Bot, github: Sandbox) -> None:
        github.hold_runs()
        _, asked = await bot.ask()

        assert (await bot.status(asked["build_id"]))["status"] == "in_progress"

    async def test_a_bot_that_stops_lets_those_who_wait_go(
        self, settings: Settings, github: Sandbox
    ) -> None:
        github.hold_runs()
        async with running_bot(settings, github) as bot:
            _, asked = await bot.ask()
            waiting = asyncio.create_task(bot.status(asked["build_id"], wait=60))
            await bot.status(asked["build_id"])
            await bot.app.shutdown()

            assert (await waiting)["status"] == "in_progress"


class TestTokens:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return dataclasses.replace(
            settings, api_tokens=(ApiToken.of("one", "first"), ApiToken.of("two", "second"))
        )

    @pytest.mark.parametrize("path", ["/build", "/status/x"])
    async def test_a_caller_without_a_token_is_refused(self, bot: Bot, path: str) -> None:
        async with bot.client.post(path, json=DEBIAN) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("token", ["three", "on", "onee", "öne"])
    async def test_an_unknown_token_is_refused(self, bot: Bot, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with bot.client.post("/build", json=DEBIAN, headers=headers) as answer:
            assert answer.status == 403

    @pytest.mark.parametrize("token", ["one", "two"])
    async def test_every_configured_token_is_accepted(self, bot: Bot, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with bot.client.post("/build", json=DEBIAN, headers=headers) as answer:
            assert answer.status == 202
            asked = await answer.json()
        async with bot.client.get(f"{asked['status_url']}?wait=30", headers=headers) as answer:
            assert (await answer.json())["status"] == "done"
        await bot.settled()

    async def test_the_health_check_needs_none(self, bot: Bot) -> None:
        async with bot.client.get("/healthz") as answer:
            assert answer.status == 200
