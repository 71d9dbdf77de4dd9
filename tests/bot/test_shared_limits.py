"""GitHub's limits hold for all processes together: the pause between writes, and silence."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import aiohttp
import pytest

from kmodbot.bot import keys
from kmodbot.bot.github.client import GitHubClient
from kmodbot.bot.github.errors import GitHubLimited
from kmodbot.bot.github.pace import Pace, Silence
from kmodbot.bot.github.tokens import Purpose
from kmodbot.bot.store import limits
from kmodbot.bot.store.database import Database
from kmodbot.bot.store.limits import SharedLimits
from kmodbot.sandbox import Fault
from tests.bot.conftest import eventually, git, running_bot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot

PAUSE = 0.1
# The clocks of two processes that read the time of one server.
SKEW = 0.05


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@asynccontextmanager
async def process(url: str, claim_seconds: float = 30) -> AsyncIterator[SharedLimits]:
    """Open the store as another process does."""
    database = Database(url)
    await database.prepare()
    yield SharedLimits(database, claim_seconds)
    await database.close()


@pytest.fixture
async def mine(database_url: str) -> AsyncIterator[SharedLimits]:
    async with process(database_url) as shared:
        yield shared


@pytest.fixture
async def theirs(database_url: str, mine: SharedLimits) -> AsyncIterator[SharedLimits]:
    """Return the limits of another process; ``mine`` has made the store ready."""
    async with process(database_url) as shared:
        yield shared


class TestWrites:
    async def test_those_of_all_processes_come_one_by_one_with_a_pause_after_each(
        self, mine: SharedLimits, theirs: SharedLimits
    ) -> None:
        writes: list[tuple[float, float]] = []

        async def write(pace: Pace) -> None:
            async with pace:
                began = time.monotonic()
                await asyncio.sleep(0.01)
                writes.append((began, time.monotonic()))

        paces = [Pace(PAUSE, shared) for shared in (mine, theirs)]
        await asyncio.gather(*(write(pace) for pace in paces * 4))

        writes.sort()
        pauses = [began - ended for (_, ended), (began, _) in pairwise(writes)]
        assert len(pauses) == 7
        assert min(pauses) >= PAUSE - SKEW

    async def test_one_that_another_process_makes_is_waited_for(
        self, mine: SharedLimits, theirs: SharedLimits
    ) -> None:
        pace, other = Pace(0, mine), Pace(0, theirs)
        async with other:
            waiting = asyncio.create_task(pace.__aenter__())
            await eventually(lambda: pace.is_busy)
            assert await theirs.others_write() is False
            assert await mine.others_write()
            assert not waiting.done()
        await asyncio.wait_for(waiting, 20)
        await pace.__aexit__(None, None, None)

    async def test_the_pause_after_it_counts_for_the_others_and_only_after_it(
        self, mine: SharedLimits, theirs: SharedLimits
    ) -> None:
        pace = Pace(3600, mine)
        async with pace.turn() as is_ours:
            assert is_ours
        assert not await Pace(0, theirs).must_wait()

        async with pace.turn():
            pace.written()
        assert await Pace(0, theirs).must_wait()

    async def test_what_another_process_has_done_meanwhile_is_not_waited_for_any_longer(
        self, mine: SharedLimits, theirs: SharedLimits
    ) -> None:
        async def is_wanted() -> bool:
            return False

        pace = Pace(0, theirs)
        async with Pace(0, mine), pace.turn(is_wanted) as is_ours:
            assert not is_ours
        assert not pace.is_busy

    async def test_a_process_that_dies_while_it_writes_keeps_others_waiting_for_a_moment(
        self, database_url: str, mine: SharedLimits
    ) -> None:
        async with process(database_url, claim_seconds=0.3) as dead:
            assert await dead.take_turn() == 0

        assert await mine.others_write()
        async with asyncio.timeout(20), Pace(0, mine):
            assert not await mine.others_write()


class TestSilence:
    async def test_what_one_bot_is_told_silences_the_others(
        self, settings: Settings, github: Sandbox
    ) -> None:
        async with running_bot(settings, github) as one, running_bot(settings, github) as other:
            # So that nothing is left to be read before the write.
            await other.app[keys.REPOSITORY].facts()
            await told_to_be_silent(one, github)
            before = len(github.calls)

            status, body = await other.ask(kernel_version="6.1.0-39-amd64")

            assert (status, body["error"]["code"]) == (503, "github_unavailable")
            assert github.calls[before:] == []
            async with other.client.get("/metrics") as answer:
                assert "kmodbot_github_parked_until_time_seconds 0.0" not in await answer.text()

    async def test_it_is_announced_to_those_who_only_read(
        self, settings: Settings, github: Sandbox, store: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with running_bot(settings, github) as one, running_bot(settings, github) as other:
            # Nobody announces anything on SQLite, but every few seconds it is looked up.
            seconds = 0 if store == "sqlite" else 3600
            monkeypatch.setattr(limits, "_SECONDS_BETWEEN_LOOKS", seconds)
            await told_to_be_silent(one, github)

            async def is_silenced() -> bool:
                return (await other.app[keys.GITHUB]._shared.silence())[0] > 3000

            await eventually(is_silenced)
            before = len(github.calls)
            with pytest.raises(GitHubLimited) as limited:
                await other.app[keys.GITHUB].get("/branches/main")
            assert limited.value.retry_after > 3000
            assert len(github.calls) == before

    async def test_a_shorter_one_does_not_end_it(
        self, mine: SharedLimits, theirs: SharedLimits
    ) -> None:
        await mine.be_silent(3600, 0)
        await theirs.be_silent(60, 3)

        seconds, unsaid = await theirs.silence()
        assert seconds > 3000
        assert unsaid == 0

    async def test_one_without_end_ends_for_the_others_after_an_hour(
        self, mine: SharedLimits, theirs: SharedLimits
    ) -> None:
        await mine.be_silent(10.0**9, 0)

        assert (await theirs.silence())[0] <= 3600 + SKEW

    async def test_the_next_one_of_another_process_grows_from_it(self) -> None:
        silence = Silence()
        assert silence.join(240, 3)
        assert not silence.join(240, 3), "it is no news any more"
        assert not silence.join(-5, 0)
        assert silence.begin(GitHubLimited("too fast", 60, said=False)) == 480

    async def test_reading_from_github_costs_the_store_a_look_now_and_then(
        self, settings: Settings, github: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look, looks = SharedLimits._look, []

        async def counted(self: SharedLimits) -> object:
            looks.append(self)
            return await look(self)

        monkeypatch.setattr(SharedLimits, "_look", counted)
        async with running_bot(settings, github) as bot:
            client = bot.app[keys.GITHUB]
            monkeypatch.setattr(limits, "_SECONDS_BETWEEN_LOOKS", 3600)
            await client.get("/branches/main")
            looks.clear()
            await asyncio.gather(*(client.get("/branches/main") for _ in range(50)))
            assert looks == []

            client._shared.doubt()  # type: ignore[attr-defined]
            await asyncio.gather(*(client.get("/branches/main") for _ in range(50)))
            assert len(looks) == 1


class TestWithoutTheStore:
    async def test_each_process_goes_on_by_itself_and_says_so_once(
        self,
        settings: Settings,
        github: Sandbox,
        store: str,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        url = f"sqlite:///{tmp_path}/nowhere/x.db"
        if store == "postgresql":
            url = "postgresql://postgres:x@127.0.0.1:9/x"
        database, sha = Database(url), git(github, "rev-parse", "main")
        async with aiohttp.ClientSession() as session:
            client = GitHubClient(session, settings, shared=SharedLimits(database, 30))
            for name in ("one", "two"):
                await client.get("/branches/main")
                await client.post(
                    "/git/refs",
                    {"ref": f"refs/heads/{name}", "sha": sha},
                    Purpose.PROPOSE,
                )
        await database.close()

        assert caplog.text.count("are not shared with other processes") == 1

    async def test_one_that_hangs_holds_nobody_up_for_long(
        self, mine: SharedLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def hang(self: SharedLimits) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(SharedLimits, "_look", hang)
        monkeypatch.setattr(limits, "_STORE_SECONDS", 0.05)

        async with asyncio.timeout(20), Pace(0, mine):
            assert (await mine.silence())[0] <= 0
            assert not await mine.others_write()


async def told_to_be_silent(bot: Bot, github: Sandbox) -> None:
    github.faults.add(Fault(path="/dispatches", kind="secondary_limit", seconds=3600))
    status, _ = await bot.ask()
    assert status == 503


class TestBots:
    async def test_a_build_waits_for_the_writes_of_another_bot_and_its_node_does_not(
        self, settings: Settings, github: Sandbox
    ) -> None:
        github.hold_runs()
        async with running_bot(settings, github) as one, running_bot(settings, github) as other:
            async with one.app[keys.GITHUB].turn():
                status, asked = await other.ask()
                assert status == 202
                assert (await other.status(asked["build_id"]))["phase"] == "queued"
                assert github.runs == []

            async def is_dispatched() -> bool:
                return bool((await other.status(asked["build_id"]))["phase"] == "dispatched")

            await eventually(is_dispatched)
            assert len(github.runs) == 1
