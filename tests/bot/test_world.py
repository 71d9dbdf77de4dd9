"""Nodes, people, faults, deaths and days go by at random; what must hold, holds in the end.

With ``KMODBOT_WORLDS`` the machine takes that many ways through the world of each store instead of
a few, other ones each time:
``KMODBOT_WORLDS=500 pytest -s --timeout=0 tests/bot/test_world.py``. In
the end it tells how often what happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import shutil
import sys
import traceback
from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from kmodbot.bot.store.database import Database
from kmodbot.kernels import add_kernel
from kmodbot.sandbox import Fault
from tests.bot.conftest import DEBIAN, on_both_stores, target_of
from tests.bot.lives import make_mortal, of_life
from tests.bot.maintainer import Refused
from tests.bot.world import DAY, FOREIGN, LATE, LISTS_LATE, World, new_world

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection

    from tests.bot.postgresql import Server

    DatabaseMaker = Callable[[Path], AbstractContextManager[str]]

UBUNTU = {"distribution": "ubuntu", "kernel_version": "6.8.0-79-generic"}
KERNELS = [
    {"kernel_version": "6.1.0-37-amd64"},
    {"kernel_version": "6.1.0-38-amd64"},
    # Two kernels of one branch.
    UBUNTU | {"distro_version": "22.04"},
    UBUNTU | {"distro_version": "24.04"},
]
NODES = [
    DEBIAN | kernel | {"driver_version": version}
    for kernel in KERNELS
    for version in ("v0.1.0", "v0.2.0")
]
nodes = st.sampled_from(NODES)
# One of those that there are by then; what is drawn must not depend on it.
some = st.integers(0, 99)
PATHS = ["/dispatches", "/releases/", "/actions/", "/git/", "/contents/", "/pulls", "/app/", ""]
# What GitHub forbids, by a rule of the repository or because a permission is missing.
REFUSED = ["/dispatches$", "/pulls$", "/git/refs", "/contents/"]
FOR_EVER = 1_000_000
HAPPENED: Counter[str] = Counter()


class Machine(RuleBasedStateMachine):
    """One way through a world."""

    def __init__(self, loop: asyncio.Runner, database: DatabaseMaker) -> None:
        super().__init__()
        self.loop = loop
        self.open = contextlib.AsyncExitStack()
        directory = Path(self.open.enter_context(TemporaryDirectory()))
        url = self.open.enter_context(database(directory))
        self.world: World = self.do(self.open.enter_async_context(new_world(directory, url)))
        self.github = self.world.github

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run(work)

    def strike(self, kind: Any, times: int = 1, **what: Any) -> None:
        self.github.faults.add(Fault(kind=kind, times=times, **what))

    @rule(node=nodes, count=st.integers(1, 4), patient=st.booleans())
    def some_nodes_ask(self, node: dict[str, str], count: int, patient: bool) -> None:
        async def ask() -> None:
            if patient and not self.world.bots:
                await self.world.start()
            before = {*self.world.accepted}
            answers = await asyncio.gather(*(self.world.ask(node) for _ in range(count)))
            # Whichever bots they asked.
            assert len(self.world.accepted - before) <= 1
            HAPPENED.update(f"a node was answered with {status}" for status in answers)

        self.do(ask())

    @rule(wanted=st.lists(nodes, min_size=1, max_size=3, unique_by=str))
    def a_rack_boots(self, wanted: list[dict[str, str]]) -> None:
        self.do(self.world.start())
        for node in wanted:
            self.some_nodes_ask(node, 4, patient=True)

    @rule(node=nodes)
    def an_operator_forces_a_build(self, node: dict[str, str]) -> None:
        self.do(self.world.ask(node, force=True))

    @rule(node=nodes)
    def somebody_starts_a_run(self, node: dict[str, str]) -> None:
        self.do(self.world.maintainer.start_run(node))

    @rule(which=some)
    def somebody_runs_a_run_again(self, which: int) -> None:
        if ended := self.runs("completed"):
            self.do(self.world.maintainer.rerun(ended[which % len(ended)]))

    @rule(which=some)
    def somebody_cancels_a_run(self, which: int) -> None:
        if open_runs := self.runs("queued", "in_progress"):
            # It may end at this moment.
            with contextlib.suppress(Refused):
                self.do(self.world.maintainer.cancel(open_runs[which % len(open_runs)]))

    @rule(conclusion=st.sampled_from(["success", "success", "failure"]), publishes=st.booleans())
    def builds_go_well_or_not(self, conclusion: str, publishes: bool) -> None:
        self.world.runner.conclusion, self.world.runner.publishes = conclusion, publishes

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
        kind=st.sampled_from(["status", "reset", "lost_answer", "lost_answer", "delay"]),
        path=st.sampled_from(PATHS),
        times=st.integers(1, 4),
        status=st.sampled_from([500, 502, 503]),
        drop=st.booleans(),
    )
    def github_stumbles(self, kind: str, path: str, times: int, status: int, drop: bool) -> None:
        self.strike(kind, times, path=path, status=status, drop=drop, seconds=LATE)

    @rule(path=st.sampled_from(PATHS), seconds=st.integers(0, 1))
    def github_limits(self, path: str, seconds: int) -> None:
        self.strike("secondary_limit", path=path, seconds=seconds)

    @rule(node=nodes, unheard=st.booleans())
    def the_answer_to_a_dispatch_is_lost(self, node: dict[str, str], unheard: bool) -> None:
        self.strike("lost_answer", method="POST", path="/dispatches$")
        if unheard:
            self.strike("lost", 3, event="workflow_run")
        self.do(self.world.ask(node))

    @rule(
        path=st.sampled_from(REFUSED), status=st.sampled_from([403, 422]), times=st.integers(1, 3)
    )
    def github_refuses(self, path: str, status: int, times: int) -> None:
        self.strike("status", times, method="POST", path=path, status=status)

    @rule()
    def github_lists_runs_late(self) -> None:
        self.strike("lag", FOR_EVER, path="/driver-build.yml/runs$", seconds=LISTS_LATE)

    @rule(kind=st.sampled_from(["status", "reset"]))
    def github_is_away(self, kind: str) -> None:
        self.strike(kind, FOR_EVER, status=503)

    @rule()
    def github_is_well(self) -> None:
        self.github.faults.clear()

    @rule(
        kind=st.sampled_from(["lost", "doubled", "delay"]),
        action=st.sampled_from(["requested", "in_progress", "completed", None]),
        times=st.integers(1, 3),
    )
    def webhooks_go_astray(self, kind: str, action: str | None, times: int) -> None:
        self.strike(kind, times, event="workflow_run", action=action, seconds=LATE)

    @rule(which=some)
    def old_news_are_heard_again(self, which: int) -> None:
        deliveries = [each for each in self.github.deliveries if each.event == "workflow_run"]
        if deliveries:
            self.do(self.world.hear(deliveries[which % len(deliveries)].payload))

    @rule(which=some, well=st.booleans())
    def a_pull_request_is_decided(self, which: int, well: bool) -> None:
        async def decide() -> None:
            pulls = [pull.number for pull in self.github.pulls if pull.state == "open"]
            # Who decides before the bot has noted down that it asked may be asked once more.
            if not pulls or not await self.world.soon_all_proposed():
                return
            number = pulls[which % len(pulls)]
            HAPPENED["a pull request was " + ("merged" if well else "closed")] += 1
            if well:
                with contextlib.suppress(Refused):
                    # It may be in conflict until it has been made anew.
                    await self.world.maintainer.merge(number)
                return
            await self.world.maintainer.close(number)
            self.world.refused.add(self.github.pulls[number - 1].head_ref)

        self.do(decide())

    @rule(how=st.sampled_from(["another kernel", "another key", "emptied"]))
    def somebody_edits_the_list(self, how: str) -> None:
        async def edit() -> None:
            if not await self.world.soon_all_proposed():
                return
            text = await self.world.maintainer.listed()
            if how == "another kernel":
                release, version = FOREIGN
                node = DEBIAN | {"kernel_version": release, "distro_version": version}
                edited = add_kernel(text, target_of(node).kernel)
            elif how == "another key":
                edited = json.dumps(json.loads(text) | {"notes": [1]}, indent=4)
            else:
                edited = "{}\n"
                self.world.refused |= self.world.branches_merged()
            if edited != text:
                await self.world.maintainer.list_instead(edited)

        self.do(edit())

    @rule()
    def a_bot_is_started(self) -> None:
        self.do(self.world.start())

    @rule(which=some, gently=st.booleans(), comes_back=st.booleans())
    def a_bot_is_taken_away(self, which: int, gently: bool, comes_back: bool) -> None:
        self.do(self.world.take_away(which, gently=gently))
        if comes_back:
            self.do(self.world.start())

    @rule(which=some, effects=st.integers(1, 30))
    def a_bot_is_about_to_die(self, which: int, effects: int) -> None:
        if bots := self.world.bots:
            bots[which % len(bots)].die_after(effects)

    @rule(time=st.sampled_from([timedelta(minutes=1), timedelta(hours=1), DAY]))
    def time_goes_by_without_bots(self, time: timedelta) -> None:
        async def go_by() -> None:
            await self.world.let_pass(time)
            await self.world.start()

        self.do(go_by())

    @rule()
    def all_comes_to_rest(self) -> None:
        self.do(self.rest())

    @invariant()
    def what_must_always_hold_holds(self) -> None:
        self.do(self.world.check_now())

    def teardown(self) -> None:
        try:
            self.do(self.rest())
            HAPPENED.update(self.do(self.world.what_happened()))
        finally:
            self.do(self.open.aclose())

    async def rest(self) -> None:
        await self.world.come_to_rest()
        await self.world.check_packages(NODES)
        await self.world.come_to_rest()
        await self.world.check_now()
        await self.world.check_at_rest()

    def runs(self, *status: str) -> list[int]:
        return [run.id for run in self.github.runs if run.status in status]


WORLDS = os.environ.get("KMODBOT_WORLDS")
PROFILE = settings(
    max_examples=int(WORLDS or 7),
    stateful_step_count=60 if WORLDS else 30,
    phases=[Phase.generate],
    derandomize=not WORLDS,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@contextlib.contextmanager
def sqlite_database(template: Path, directory: Path) -> Iterator[str]:
    shutil.copy(template, directory / "kmodbot.db")
    yield f"sqlite:///{directory}/kmodbot.db"


@contextlib.contextmanager
def postgresql_database(server: Server, template: str, _directory: Path) -> Iterator[str]:
    name = server.create(template=template)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> DatabaseMaker:
    """Return what makes a database for each world."""
    if store == "postgresql":
        server = request.getfixturevalue("postgresql")
        return partial(postgresql_database, server, request.getfixturevalue("migrated"))
    template = tmp_path / "template.db"

    async def migrate() -> None:
        empty = Database(f"sqlite:///{template}")
        await empty.migrate()
        await empty.close()

    asyncio.run(migrate())
    return partial(sqlite_database, template)


def take_all_ways(database: DatabaseMaker, told: Connection) -> None:
    """Take the ways through the world, and tell what went wrong, or nothing."""
    # Records that are kept would keep what the dead have left from being cleared away.
    logging.getLogger().handlers.clear()
    trouble = ""
    try:
        with asyncio.Runner() as loop:
            loop.get_loop().set_task_factory(of_life)  # type: ignore[arg-type]  # of any task
            machine = partial(Machine, loop, database)
            run_state_machine_as_test(machine, settings=PROFILE)  # type: ignore[arg-type]
    except BaseException:
        trouble = traceback.format_exc()
    if WORLDS:
        sys.stdout.write("\n".join(f"{n:7} {what}" for what, n in sorted(HAPPENED.items())) + "\n")
        sys.stdout.flush()
    told.send(trouble)
    os._exit(0)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@on_both_stores
def test_whatever_happens_all_comes_right(
    database: DatabaseMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmodbot.bot.workers._SECONDS_BETWEEN_REGENERATIONS", 0.3)
    monkeypatch.setattr("kmodbot.bot.workers._SECONDS_AFTER_AN_ERROR", 0.02)
    make_mortal(monkeypatch)
    # Who dies closes nothing, and what is left must not trouble other tests.
    processes = multiprocessing.get_context("fork")
    heard, told = processes.Pipe(duplex=False)
    process = processes.Process(target=take_all_ways, args=(database, told), daemon=True)
    process.start()
    told.close()
    trouble = heard.recv()
    process.join()
    heard.close()

    assert not trouble, trouble
