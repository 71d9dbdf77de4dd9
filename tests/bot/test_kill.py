"""The bot dies at every moment between two effects, and the world comes right again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from sqlalchemy import and_, func, select
from sqlalchemy.exc import DBAPIError

from kmodbot.bot.settings import Settings
from kmodbot.bot.store.builds import Builds
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.tables import audit, builds
from tests.bot.conftest import DEBIAN, eventually, git, kernels_listed, on_both_stores
from tests.bot.forker import Forker
from tests.ports import held_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kmodbot.sandbox import Call, Sandbox

BRANCH = "add-kernel/debian/x86_64/6-1-0-38-amd64"


@dataclass
class MortalBot:
    """``kmodbot serve`` as a process that is started again whenever it dies.

    With ``dies_by_itself`` the first one dies after its first transaction, the second one after its
    second, and so on. At each death the store is looked at: ``unaccounted`` are the builds that are
    there without exactly one row in the audit trail.
    """

    environment: dict[str, str]
    database: Database
    dies_by_itself: bool = False
    unaccounted: list[str] = field(default_factory=list)
    starts: int = 0
    pid: int | None = None
    forker: Forker = field(default_factory=Forker)
    keeper: asyncio.Task[None] = field(init=False)
    ended: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __aenter__(self) -> MortalBot:
        await self.forker.__aenter__()
        self.keeper = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.keeper.cancel()
        await asyncio.gather(self.keeper, return_exceptions=True)
        await self.forker.__aexit__()
        await self._is_gone()

    async def kill(self) -> None:
        """Kill the process without warning, and return when it is gone."""
        victim = self.pid
        if victim is None:
            return
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        async with self.ended:
            await self.ended.wait_for(lambda: self.pid != victim)

    async def _keep_alive(self) -> None:
        while True:
            self.starts += 1
            commits = self.starts if self.dies_by_itself else 0
            self.pid = await self.forker.start(self.environment, commits=commits)
            await self.forker.ended()
            self.unaccounted += await unaccounted(self.database)
            await self._is_gone()

    async def _is_gone(self) -> None:
        async with self.ended:
            self.pid = None
            self.ended.notify_all()

    async def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Ask the bot as a node does: again and again until it answers."""
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self.environment['PORT']}") as session:
            while True:
                try:
                    async with session.request(method, path, **options) as answer:
                        if answer.status < 300:
                            body: dict[str, Any] = await answer.json()
                            return body
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)


@pytest.fixture
def port() -> Iterator[int]:
    with held_port() as port:
        yield port


@pytest.fixture
def environment(github: Sandbox, database_url: str, port: int) -> dict[str, str]:
    github.webhook_url = f"http://127.0.0.1:{port}/webhooks/github"
    return {
        **github.environment(),
        "KMODBOT_DRIVER": "hello",
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "KMODBOT_LOG_LEVEL": "error",
        "KMODBOT_WRITE_SECONDS": "0.001",
        "KMODBOT_RECONCILE_SECONDS": "0.2",
        "KMODBOT_REPAIR_SECONDS": "0.2",
        "KMODBOT_OVERDUE_SECONDS": "0.2",
        "KMODBOT_REDELIVER_SECONDS": "0.5",
        "KMODBOT_CLAIM_SECONDS": "1",
        "KMODBOT_LAG_SECONDS": "1",
    }


@pytest.fixture
async def database(environment: dict[str, str]) -> AsyncIterator[Database]:
    """Look into the bots' store while they live and die."""
    database = Database(Settings.from_environment(environment).database_url)
    yield database
    await database.close()


@on_both_stores
@pytest.mark.parametrize("fatal_moment", ["received", "applied", "answered"])
async def test_a_bot_killed_at_every_call_ends_with_one_run_one_package_one_pull_request(
    github: Sandbox, environment: dict[str, str], database: Database, fatal_moment: str
) -> None:
    bot = MortalBot(environment, database)
    survived: set[str] = set()

    async def kill_the_first_time(call: Call, moment: str) -> None:
        kind = f"{call.method} {re.sub('[0-9a-f]{40}|[0-9]+', 'N', call.path)}"
        if moment == fatal_moment and call.actor != "actions" and kind not in survived:
            survived.add(kind)
            await bot.kill()

    github.observe(kill_the_first_time)
    async with bot:
        await lives_through_it(bot, github)

    # Most kinds of call had a death of their own; a few happen at the same moment as another. The
    # file is put into a new branch; a branch that a dead process has left is moved.
    methods = {kind.split()[0] for kind in survived}
    assert methods >= {"GET", "POST"}
    assert methods & {"PUT", "PATCH"}
    assert bot.starts > 8


@pytest.mark.parametrize("fatal_moment", ["received", "applied", "answered"])
async def test_a_bot_killed_while_it_fills_a_new_branch_fills_it_once(
    github: Sandbox, environment: dict[str, str], database: Database, fatal_moment: str
) -> None:
    bot = MortalBot(environment, database)

    async def kill_the_first(call: Call, moment: str) -> None:
        if call.method == "PUT" and moment == fatal_moment and bot.starts == 1:
            await bot.kill()

    github.observe(kill_the_first)
    async with bot:
        await lives_through_it(bot, github)

    assert bot.starts == 2


@on_both_stores
async def test_a_bot_killed_after_every_transaction_ends_with_one_of_each_too(
    github: Sandbox, environment: dict[str, str], database: Database
) -> None:
    async with MortalBot(environment, database, dies_by_itself=True) as bot:
        await lives_through_it(bot, github)

    assert bot.starts > 8


async def lives_through_it(bot: MortalBot, github: Sandbox) -> None:
    """Ask for a driver; whatever happens on the way, it comes once, and so does all the rest."""
    builds = Builds(bot.database)
    asked = await bot.call("POST", "/build", json=DEBIAN)
    await eventually(lambda: is_done(bot, asked["build_id"]), seconds=90)

    async def is_proposed() -> bool:
        return not await builds.unproposed()

    await eventually(is_proposed, seconds=30)
    await github.settled()

    assert len(github.runs) == 1
    assert [len(release.assets) for release in github.releases] == [1]
    assert [pull.head_ref for pull in github.pulls] == [BRANCH]
    assert git(github, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert len(kernels_listed(github, BRANCH)) == 1
    assert bot.unaccounted + await unaccounted(bot.database) == []


async def unaccounted(database: Database) -> list[str]:
    """Return the ids of builds that have not exactly one row in the audit trail."""
    its_row = and_(audit.c.action == "build.request", audit.c.detail == "build " + builds.c.id)
    counted = select(builds.c.id).outerjoin(audit, its_row).group_by(builds.c.id)
    try:
        async with database.reading() as connection:
            return [*await connection.scalars(counted.having(func.count(audit.c.id) != 1))]
    except DBAPIError:
        # The first bot died before it had made the tables.
        return []


async def is_done(bot: MortalBot, build_id: str) -> bool:
    return bool((await bot.call("GET", f"/status/{build_id}"))["status"] == "done")
