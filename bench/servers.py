"""The servers that a bot is compared with, and one with an entrance for measurements.

``python -m bench.servers NAME`` serves at ``PORT``; the bots read the variables of
``kmodbot serve``.
"""

from __future__ import annotations

import os
import sys
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import uvloop
from aiohttp import web

from kmodbot.bot import __main__ as bot
from kmodbot.bot import keys
from kmodbot.bot.app import create_app
from kmodbot.bot.build import Package, Target
from kmodbot.bot.github.downloads import Downloads
from kmodbot.bot.store.intake import Intake
from kmodbot.kernels import Driver, Kernel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.deliveries import Delivery

#: What the bot answers for a build that is in flight, and as long.
_ANSWER = {
    "message": "build in progress",
    "build_id": uuid.uuid4().hex,
    "status_url": f"/status/{uuid.uuid4().hex}",
}


def bare(environment: Mapping[str, str]) -> int:
    """Serve the least that takes JSON and answers with JSON, on the loop that the bot has."""

    async def answer(request: web.Request) -> web.Response:
        await request.json()
        return web.json_response(_ANSWER, status=202)

    app = web.Application()
    app.router.add_post("/build", answer)
    port = int(environment["PORT"])
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)
    return 0


def storeless(environment: Mapping[str, str]) -> int:
    """Serve the bot, which forgets every delivery instead of storing it."""

    async def forget(_intake: Intake, _delivery: Delivery) -> bool:
        return False

    Intake.receive = forget  # type: ignore[method-assign, assignment]
    return bot.serve(environment)


def fed(environment: Mapping[str, str]) -> int:
    """Serve the bot, and ``POST /bench/builds`` to which builds are told that are over.

    Their packages are nowhere, but count as published.
    """

    async def exists(_downloads: Downloads, _url: str) -> bool:
        return True

    def create(settings: Settings) -> web.Application:
        app = create_app(settings)
        app.router.add_post("/bench/builds", _take_builds)
        return app

    Downloads.exists = exists  # type: ignore[method-assign, assignment]
    vars(bot)["create_app"] = create
    return bot.serve(environment)


async def _take_builds(request: web.Request) -> web.Response:
    """Take ``{"from", "to"}``: numbers of kernels, each of which gets a build that succeeds."""
    numbers: dict[str, Any] = await request.json()
    for number in range(numbers["from"], numbers["to"]):
        await _build(request.app, f"6.1.{number}-1-amd64", number)
    return web.Response()


async def _build(app: web.Application, release: str, number: int) -> None:
    kernel = Kernel.parse(
        distribution="debian", distro_version="12", architecture="x86_64", release=release
    )
    target = Target(Driver.parse("hello", "v0.1.0"), kernel)
    builds, changes = app[keys.BUILDS], app[keys.CHANGES]
    build, _ = await builds.reserve(uuid.uuid4().hex, target, datetime.now(UTC))
    await builds.dispatched(build.id, number, "http://127.0.0.1/run")
    changes.announce(build.id)
    await builds.building(build.id)
    changes.announce(build.id)
    url = f"http://127.0.0.1/{target.tag}/{target.package}"
    await builds.done(build.id, Package(target.package, url, "0" * 64))
    await builds.proposed(build.id)
    changes.announce(build.id)


if __name__ == "__main__":
    servers = {"bare": bare, "storeless": storeless, "fed": fed}
    sys.exit(servers[sys.argv[1]](os.environ))
