"""A world of one GitHub, one store and up to two bots, in which things may go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import aiohttp
from sqlalchemy import select, update

from kmodbot.bot.auth.caller import Role
from kmodbot.bot.auth.tokens import ApiToken
from kmodbot.bot.build import Phase
from kmodbot.bot.settings import Settings
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.deliveries import Deliveries
from kmodbot.bot.store.tables import UtcDateTime, builds, leases, metadata
from kmodbot.kernels import parse_run_title
from kmodbot.sandbox import Sandbox
from tests.bot.conftest import CONTENT, QuickRunner, eventually, git, target_of
from tests.bot.lives import Complaints, Life
from tests.bot.maintainer import Maintainer
from tests.bot.stored import waiting
from tests.bot.test_webhooks import signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sqlalchemy import Row

    from kmodbot.sandbox import Call

DAY = timedelta(days=1)
TOKEN = "operator-of-the-world"
MOST_BOTS = 2
# How late news and requests may be, in seconds.
LATE = 0.1
# How long GitHub's lists may lack a run that they have got by then.
LISTS_LATE = 0.4
# Of a bot that waits for a claim, or for GitHub's lists, in this order, in seconds.
CLAIM, LAG = 0.2, 0.5
QUICK = {
    "KMODBOT_DRIVER": "hello",
    "KMODBOT_API_TOKENS": str(ApiToken.of(TOKEN, "ops", Role.OPERATOR)),
    "KMODBOT_RATE_PER_MINUTE": "999999",
    "KMODBOT_DISCOVERY": "off",
    "KMODBOT_WRITE_SECONDS": "0.001",
    "KMODBOT_RECONCILE_SECONDS": "0.05",
    "KMODBOT_CLAIM_SECONDS": str(CLAIM),
    "KMODBOT_LAG_SECONDS": str(LAG),
    "KMODBOT_REPAIR_SECONDS": "0.02",
    "KMODBOT_OVERDUE_SECONDS": "0.001",
    "KMODBOT_REDELIVER_SECONDS": "0.1",
    "KMODBOT_FAILURE_SECONDS": "60",
    "KMODBOT_INDEX_SECONDS": "0.001",
}
# Nothing that happens in this world is a reason for a build to end so.
LIES = re.compile(
    "was deleted|not believed|not known any more|another build|do not say which build"
)


@dataclass
class World:
    """All there is. ``accepted`` are the builds that nodes were promised."""

    github: Sandbox
    runner: QuickRunner
    settings: Settings
    database: Database
    http: aiohttp.ClientSession
    maintainer: Maintainer
    complaints: Complaints
    bots: list[Life] = field(default_factory=list)
    graves: list[Life] = field(default_factory=list)
    deaths: int = 0
    accepted: set[str] = field(default_factory=set)
    # Branches of which people have decided that their kernels are not to be listed.
    refused: set[str] = field(default_factory=set)
    turns: Iterator[int] = field(default_factory=itertools.count)
    under_way: int = 0

    async def count(self, _call: Call, moment: str) -> None:
        """Count the requests that GitHub is dealing with."""
        self.under_way += {"received": 1, "answered": -1}.get(moment, 0)

    async def start(self) -> None:
        """Start another bot, if there may be one more."""
        self._bury()
        if len(self.bots) < MOST_BOTS:
            life = Life(self.settings)
            self.bots.append(life)
            await life.url()

    async def take_away(self, which: int, *, gently: bool) -> None:
        """Stop or kill a bot."""
        if self.bots:
            life = self.bots.pop(which % len(self.bots))
            await (life.stop() if gently else life.kill())
            self.deaths += not gently

    async def address(self) -> str | None:
        """Return the address of a bot, by turns; that of GitHub's webhooks is another one's."""
        self._bury()
        urls = [url for life in self.bots if (url := await life.url()) is not None]
        if not urls:
            return None
        turn = next(self.turns)
        self.github.webhook_url = f"{urls[turn % len(urls)]}webhooks/github"
        return urls[(turn + 1) % len(urls)]

    def _bury(self) -> None:
        self.graves += [life for life in self.bots if life.is_dead]
        self.bots = [life for life in self.bots if not life.is_dead]

    async def end(self) -> None:
        """Let nothing of the world go on."""
        for life in [*self.graves, *self.bots]:
            await life.kill()

    async def ask(self, node: dict[str, str], *, force: bool = False) -> int | None:
        """Ask one of the bots for a driver; return the status of the answer, if there is one."""
        address = await self.address()
        if address is None:
            return None
        body = node | ({"force": True} if force else {})
        try:
            async with self.http.post(f"{address}build", json=body) as answer:
                content = await answer.json()
        except aiohttp.ClientError:
            # It died meanwhile.
            return None
        assert answer.status in {200, 202, 409, 503}, (answer.status, content)
        if answer.status == 202:
            self.accepted.add(content["build_id"])
        return answer.status

    async def hear(self, payload: dict[str, Any]) -> None:
        """Send old news to one of the bots, as if they were new."""
        address = await self.address()
        if address is None:
            return
        body = json.dumps(payload).encode()
        headers = signed(body, self.github.webhook_secret, X_GitHub_Delivery=str(uuid.uuid4()))
        with contextlib.suppress(aiohttp.ClientError):
            async with self.http.post(
                f"{address}webhooks/github", data=body, headers=headers
            ) as answer:
                assert answer.status in {202, 503}, await answer.text()

    async def let_pass(self, time: timedelta) -> None:
        """Let all that has happened have happened that much earlier, and the bots be away then."""
        while self.bots:
            await self.take_away(0, gently=False)
        for life in self.graves:
            await life.kill()
        self.deaths += len(self.graves)
        self.graves.clear()
        while self.under_way:
            await asyncio.sleep(0.01)
        await make_older(self.database, time)
        for run in self.github.runs:
            run.created_at -= time
            run.started_at -= time
            run.updated_at -= time
        for delivery in self.github.deliveries:
            delivery.delivered_at -= time

    async def rows(self) -> list[Row[Any]]:
        """Return all builds as the store has them."""
        async with self.database.reading() as connection:
            return list((await connection.execute(select(builds))).all())

    async def all_proposed(self) -> bool:
        """Tell whether no proposal is due, so that people see what there is."""
        return all(row.proposed for row in await self.rows() if row.phase == Phase.DONE)

    async def soon_all_proposed(self) -> bool:
        """Give the bots half a second for what is due."""
        with contextlib.suppress(TimeoutError):
            await eventually(self.all_proposed, seconds=0.5)
        return await self.all_proposed()

    async def come_to_rest(self) -> None:
        """Let GitHub be well again, and a bot be there; then nothing is left to be desired."""
        self.github.faults.clear()
        self.github.release_runs()
        for life in self.bots:
            life.die_after(None)
        await self.address()
        if not self.bots:
            await self.start()
            await self.address()
        async with asyncio.timeout(60):
            while not await self._is_at_rest():
                await asyncio.sleep(0.02)

    async def _is_at_rest(self) -> bool:
        await self.github.settled()
        async with self.database.writing() as connection:
            # What GitHub refused is tried again after long.
            await connection.execute(update(builds).values(next_proposal_at=None))
        rows = await self.rows()
        ended = all(Phase(row.phase).is_final for row in rows)
        left = await waiting(Deliveries(self.database))
        return ended and await self.all_proposed() and not left and self._is_regenerated()

    def _is_regenerated(self) -> bool:
        main = git(self.github, "rev-parse", "main")
        return all(
            git(self.github, "rev-parse", f"{pull.head_ref}^@") == main
            for pull in self.github.pulls
            if pull.state == "open"
        )

    async def check_now(self) -> None:
        """Check what holds at any moment."""
        titles = [parse_run_title(run.title) for run in self.github.runs]
        runs = Counter(title.build_id for title in titles if title and title.build_id != "manual")
        assert all(count == 1 for count in runs.values()), runs
        reserved = Counter(
            (row.driver_version, row.distro_version, row.kernel_release)
            for row in await self.rows()
            if not Phase(row.phase).is_final
        )
        assert all(count == 1 for count in reserved.values()), reserved
        assert not self.complaints.messages, self.complaints.messages[0]

    async def check_at_rest(self) -> None:
        """Check what holds once all is done."""
        rows = await self.rows()
        assert self.accepted <= {row.id for row in rows}
        assert not [row.error for row in rows if row.error and LIES.search(row.error)]
        assert (await Deliveries(self.database).backlog()).dead == 0
        published = self._published()
        done = [row for row in rows if row.phase == Phase.DONE]
        stored = {(unquote(row.url).split("/")[-2], row.package, row.sha256) for row in done}
        assert stored <= published
        pulls = Counter(pull.head_ref for pull in self.github.pulls)
        built = Counter(branch_of(row) for row in done)
        # One for each build at most: the next version may ask again what people refused.
        assert pulls <= built, (pulls, built)
        listed = self.listed()
        for row in done:
            assert branch_of(row) in self.refused or entry_of(row) in listed, row
        ours = {entry_of(row) for row in done} | {FOREIGN}
        assert listed <= ours, listed - ours

    async def what_happened(self) -> Counter[str]:
        """Count what became of builds, bots, webhooks and calls."""
        happened = Counter(f"a build ended: {shortened(row.error)}" for row in await self.rows())
        happened += Counter(f"a webhook got {each.status_code}" for each in self.github.deliveries)
        happened += Counter(
            f"a call of the bots got {call.status}"
            for call in self.github.calls
            if call.actor in {"app", "installation"} or call.status is None
        )
        happened["a run had more than one attempt"] = sum(r.attempt > 1 for r in self.github.runs)
        happened["a run was dispatched"] = len(self.github.runs)
        happened["a pull request was opened"] = len(self.github.pulls)
        happened["a bot died"] = self.deaths + len(self.graves)
        return happened

    async def check_packages(self, nodes: list[dict[str, str]]) -> None:
        """Check that every package is found by the nodes that want it."""
        published = {(tag, name) for tag, name, _ in self._published()}
        for node in nodes:
            target = target_of(node)
            if (target.tag, target.package) in published:
                async with asyncio.timeout(10):
                    # GitHub may want silence for a second.
                    while await self.ask(node) == 503:
                        await asyncio.sleep(0.1)
                status = await self.ask(node)
                assert status == 200, (status, node)

    def _published(self) -> set[tuple[str, str, str]]:
        """Return the packages of all releases: tag, name and sha256."""
        return {
            (release.tag_name, asset.name, asset.digest.removeprefix("sha256:"))
            for release in self.github.releases
            for asset in release.assets
        }

    def branches_merged(self) -> set[str]:
        """Return the branches of which the default branch may have kernels."""
        return {pull.head_ref for pull in self.github.pulls if pull.merged}

    def listed(self) -> set[tuple[str, str]]:
        """Return the kernels that are listed, or would be if all were merged."""
        branches = [pull.head_ref for pull in self.github.pulls if pull.state == "open"]
        found: set[tuple[str, str]] = set()
        for branch in ["main", *branches]:
            document = json.loads(git(self.github, "show", f"{branch}:.github/kernels.json"))
            kernels = document.get("x86_64", [])
            entries = {(kernel["kernelrelease"], kernel["distroversion"]) for kernel in kernels}
            assert len(entries) == len(kernels), kernels
            found |= entries
        return found


FOREIGN = ("6.1.0-9-amd64", "12")


def shortened(error: str | None) -> str:
    """Return the beginning of an error, which says what kind it is."""
    return "well" if error is None else re.split(r"[\d\":(;]", error)[0].strip()


def entry_of(row: Row[Any]) -> tuple[str, str]:
    """Return the entry of kernels.json for a build."""
    return row.kernel_release, row.distro_version


def branch_of(row: Row[Any]) -> str:
    """Return the branch that proposes the kernel of a build."""
    release = row.kernel_release.replace(".", "-")
    return f"add-kernel/{row.distribution}/{row.architecture}/{release}"


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00")


async def make_older(database: Database, age: timedelta) -> None:
    """Move every moment in the store into the past."""

    def earlier(moment: re.Match[str]) -> str:
        return (datetime.fromisoformat(moment[0]) - age).isoformat()

    for table in metadata.sorted_tables:
        moments = [column.name for column in table.c if isinstance(column.type, UtcDateTime)]
        async with database.writing() as connection:
            for row in (await connection.execute(select(table))).mappings().all():
                older: dict[str, Any] = {n: row[n] - age for n in moments if row[n] is not None}
                if table is leases and row["result"] is not None:
                    # Up to when the work was done, and the like.
                    older["result"] = _MOMENT.sub(earlier, row["result"])
                key = [column == row[column.name] for column in table.primary_key]
                if older:
                    await connection.execute(update(table).where(*key).values(**older))


@contextlib.asynccontextmanager
async def new_world(directory: Path, database_url: str) -> AsyncIterator[World]:
    """Make a world in which nothing has happened yet, with all its bots."""
    runner, complaints = QuickRunner(), Complaints()
    database = Database(database_url)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    timeout = aiohttp.ClientTimeout(total=30)
    with complaints.of("kmodbot.bot"):
        async with (
            contextlib.AsyncExitStack() as last,
            Sandbox(directory / "github", content=CONTENT, runner=runner) as github,
            aiohttp.ClientSession(headers=headers, timeout=timeout) as http,
        ):
            last.push_async_callback(database.close)
            environment = {**github.environment(), **QUICK, "DATABASE_URL": database_url}
            settings = Settings.from_environment(environment)
            world = World(github, runner, settings, database, http, Maintainer(github), complaints)
            github.observe(world.count)
            try:
                for _ in range(MOST_BOTS):
                    await world.start()
                await world.address()
                yield world
            finally:
                await world.end()
