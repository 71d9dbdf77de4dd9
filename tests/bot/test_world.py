"""Nodes, operators, faults, deaths and days go by at random; what must hold, holds in the end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from sqlalchemy import select, update

from kmodbot.bot import keys
from kmodbot.bot.build import Phase
from kmodbot.bot.settings import Settings
from kmodbot.bot.store.tables import UtcDateTime, metadata
from kmodbot.bot.store.tables import builds as builds_table
from kmodbot.kernels import parse_run_title
from kmodbot.sandbox import Fault, Sandbox
from tests.bot.conftest import (
    CONTENT,
    DEBIAN,
    QuickRunner,
    dispatch_by_hand,
    kernels_listed,
    running_bot,
    target_of,
)
from tests.bot.stored import waiting
from tests.bot.test_recovery import rerun

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kmodbot.bot.store.database import Database
    from tests.bot.conftest import Bot

RELEASES = [f"6.1.0-{number}-amd64" for number in (37, 38, 39)]
REQUEST_FAULTS = ["status", "lost_answer", "reset", "secondary_limit"]
PATHS = ["/dispatches", "/releases/", "/actions/", "/git/", "/contents/", "/pulls", "/app/", ""]
WEBHOOK_FAULTS = ["lost", "doubled", "delay"]


class World(RuleBasedStateMachine):
    """One GitHub, one store, and a bot that may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.open = contextlib.AsyncExitStack()
        self.life: contextlib.AsyncExitStack | None = None
        self.runner = QuickRunner()
        self.do(self.begin())

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        self.loop.run(work)

    async def begin(self) -> None:
        folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()))
        self.github = await self.open.enter_async_context(
            Sandbox(folder / "github", content=CONTENT, runner=self.runner)
        )
        self.settings = Settings.from_environment(
            {
                **self.github.environment(),
                "KMODBOT_DRIVER": "hello",
                "DATABASE_URL": f"sqlite:///{folder}/kmodbot.db",
                "KMODBOT_WRITE_SECONDS": "0.001",
                "KMODBOT_RECONCILE_SECONDS": "0.05",
                "KMODBOT_CLAIM_SECONDS": "0.2",
                "KMODBOT_REPAIR_SECONDS": "0.001",
                "KMODBOT_OVERDUE_SECONDS": "0.001",
                "KMODBOT_REDELIVER_SECONDS": "0.1",
                "KMODBOT_FAILURE_SECONDS": "60",
                "KMODBOT_LAG_SECONDS": "0.001",
                "KMODBOT_INDEX_SECONDS": "0.001",
            }
        )
        await self.start()

    async def start(self) -> None:
        self.life = contextlib.AsyncExitStack()
        self.bot: Bot = await self.life.enter_async_context(running_bot(self.settings, self.github))

    async def stop(self) -> None:
        if self.life is not None:
            await self.life.aclose()
        self.life = None

    @rule(release=st.sampled_from(RELEASES), version=st.sampled_from(["v0.1.0", "v0.2.0"]))
    def some_nodes_ask(self, release: str, version: str) -> None:
        async def ask() -> None:
            if self.life is not None:
                await asyncio.gather(
                    *(
                        self.bot.ask(kernel_version=release, driver_version=version)
                        for _ in range(3)
                    )
                )

        self.do(ask())

    @rule(release=st.sampled_from(RELEASES))
    def an_operator_forces_a_build(self, release: str) -> None:
        async def force() -> None:
            if self.life is not None:
                with contextlib.suppress(Exception):
                    target = target_of(DEBIAN | {"kernel_version": release})
                    await self.bot.app[keys.DISPATCHER].request(target, force=True)

        self.do(force())

    @rule(release=st.sampled_from(RELEASES))
    def somebody_starts_a_run_by_hand(self, release: str) -> None:
        async def start() -> None:
            if self.life is not None:
                self.github.faults.clear()
                await dispatch_by_hand(self.bot, kernel_version=release)

        self.do(start())

    @rule()
    def somebody_runs_the_last_run_again(self) -> None:
        async def again() -> None:
            await self.github.settled()
            if self.life is not None and self.github.runs:
                self.github.faults.clear()
                last = self.github.runs[-1]
                if last.status == "completed":
                    await rerun(self.bot, last.id)

        self.do(again())

    @rule(conclusion=st.sampled_from(["success", "failure"]))
    def builds_go_well_or_not(self, conclusion: str) -> None:
        self.runner.conclusion = conclusion

    @rule()
    def runs_have_to_wait(self) -> None:
        self.github.hold_runs()

    @rule()
    def runs_go_on(self) -> None:
        async def release() -> None:
            self.github.release_runs()
            await self.github.settled()

        self.do(release())

    @rule(
        kind=st.sampled_from(REQUEST_FAULTS),
        path=st.sampled_from(PATHS),
        times=st.integers(1, 4),
        drop=st.booleans(),
    )
    def github_stumbles(self, kind: Any, path: str, times: int, drop: bool) -> None:
        self.github.faults.add(Fault(kind=kind, path=path, times=times, drop=drop))

    @rule(
        kind=st.sampled_from(WEBHOOK_FAULTS),
        action=st.sampled_from(["requested", "in_progress", "completed", None]),
    )
    def webhooks_go_astray(self, kind: Any, action: str | None) -> None:
        self.github.faults.add(
            Fault(kind=kind, event="workflow_run", action=action, seconds=0.1, times=2)
        )

    @rule()
    def the_bot_is_started_anew(self) -> None:
        async def restart() -> None:
            await self.stop()
            await self.start()

        self.do(restart())

    @rule()
    def the_bot_is_away(self) -> None:
        self.do(self.stop())

    @rule()
    def the_answer_to_a_dispatch_is_lost(self) -> None:
        self.github.faults.add(Fault(kind="lost_answer", method="POST", path="/dispatches$"))

    @rule(time=st.sampled_from([timedelta(minutes=1), timedelta(minutes=1), timedelta(days=1)]))
    def time_goes_by(self, time: timedelta) -> None:
        """Let everything that is remembered have happened that much earlier."""

        async def age() -> None:
            if self.life is None:
                await self.start()
            await make_older(self.bot.app[keys.DATABASE], time)
            for run in self.github.runs:
                run.created_at -= time
                run.started_at -= time
                run.updated_at -= time
            for delivery in self.github.deliveries:
                delivery.delivered_at -= time
            await self.bot.reconcile()

        self.do(age())

    def teardown(self) -> None:
        try:
            self.do(self.come_to_rest())
        finally:
            self.do(self.stop())
            self.do(self.open.aclose())
            self.loop.close()

    async def come_to_rest(self) -> None:
        """Let GitHub be well again, and the bot be there; then nothing is left to be desired."""
        self.github.faults.clear()
        self.github.release_runs()
        if self.life is None:
            await self.start()
        async with asyncio.timeout(40):
            while not await self.is_at_rest():
                await asyncio.sleep(0.02)
        await self.check()

    async def is_at_rest(self) -> bool:
        await self.github.settled()
        builds = self.bot.app[keys.BUILDS]
        in_flight, unproposed = await builds.in_flight(), await builds.unproposed()
        deliveries = await waiting(self.bot.app[keys.DELIVERIES])
        return not (in_flight or unproposed or deliveries)

    async def check(self) -> None:
        """Check what must hold of the world."""
        async with self.bot.app[keys.DATABASE].reading() as connection:
            rows = (await connection.execute(select(builds_table))).all()
        # Every build has ended, and no two of one target were reserved at once.
        assert {row.phase for row in rows} <= {Phase.DONE, Phase.ERROR}
        # A build has one run: those that it was dispatched for, however often it was tried.
        titles = [parse_run_title(run.title) for run in self.github.runs]
        runs = Counter(title.build_id for title in titles if title and title.build_id != "manual")
        assert all(count == 1 for count in runs.values()), runs
        # Every kernel with a package is proposed, once.
        pulls = Counter(pull.head_ref for pull in self.github.pulls)
        assert all(count == 1 for count in pulls.values()), pulls
        proposed = {
            entry["kernelrelease"] for ref in pulls for entry in kernels_listed(self.github, ref)
        }
        built = {row.kernel_release for row in rows if row.phase == Phase.DONE}
        assert built == proposed
        published = [asset.name for release in self.github.releases for asset in release.assets]
        assert len(published) == len(set(published))


async def make_older(database: Database, age: timedelta) -> None:
    """Move every moment in the store into the past."""
    for table in metadata.sorted_tables:
        moments = [column for column in table.c if isinstance(column.type, UtcDateTime)]
        async with database.writing() as connection:
            for row in (await connection.execute(select(table))).mappings().all():
                older = {c.name: row[c.name] - age for c in moments if row[c.name] is not None}
                key = [column == row[column.name] for column in table.primary_key]
                if older:
                    await connection.execute(update(table).where(*key).values(**older))


TestWorld = World.TestCase
TestWorld.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
