"""The API's description of itself: complete, right, and held to by every answer."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from jsonschema_rs import meta

from kmodbot.bot.auth.caller import Role
from kmodbot.bot.auth.tokens import ApiToken
from kmodbot.bot.http import add_routes
from kmodbot.bot.http.openapi import document
from kmodbot.bot.http.openapi.schemas import SCHEMAS
from tests.bot.conftest import on_both_stores, running_bot
from tests.bot.lives import Complaints

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Needs words that no generator finds: a release that a distribution has really made.
UNKNOWABLE = "positive_data_acceptance"


def routes() -> set[tuple[str, str]]:
    app = web.Application()
    add_routes(app)
    return {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def described() -> set[tuple[str, str]]:
    return {(method, path) for path, methods in document()["paths"].items() for method in methods}


def test_every_route_is_described_and_no_other() -> None:
    assert described() == routes()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_form_is_a_valid_schema(name: str) -> None:
    meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[name]})


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document())))

    assert references == set(SCHEMAS)


def test_every_call_has_a_name_of_its_own() -> None:
    names = [
        call["operationId"] for calls in document()["paths"].values() for call in calls.values()
    ]

    assert len(names) == len(set(names))


async def test_the_bot_answers_with_its_description(bot: Bot) -> None:
    async with bot.client.get("/openapi.json") as answer:
        assert answer.content_type == "application/json"
        assert await answer.json() == document()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    operator = ApiToken.of("operator", "ops", Role.OPERATOR)
    return dataclasses.replace(
        settings, api_tokens=(operator,), rate_per_minute=100_000, max_builds=100_000
    )


@on_both_stores
async def test_no_generated_request_gets_an_answer_that_is_not_described(
    settings: Settings, github: Sandbox, tmp_path: Path
) -> None:
    complaints = Complaints()
    with complaints.of("kmodbot.bot"):
        async with running_bot(settings, github) as bot:
            status, said = await schemathesis(str(bot.client.make_url("/openapi.json")), tmp_path)

    assert status == 0, said
    assert complaints.messages == []


async def schemathesis(url: str, directory: Path) -> tuple[int | None, str]:
    """Send generated requests over HTTP; return the exit status and what was said."""
    process = await asyncio.create_subprocess_exec(
        *(SCHEMATHESIS, "run", url, "--header", "Authorization: Bearer operator"),
        *("--checks", "all", "--exclude-checks", UNKNOWABLE),
        *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "40"),
        *("--generation-deterministic", "--no-color", "--request-timeout", "10"),
        *("--suppress-health-check", "all"),
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()
