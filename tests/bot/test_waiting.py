"""Who waits for a build, and what that costs the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from kmodbot.bot import keys
from kmodbot.bot.store.builds import Builds
from tests.bot.conftest import eventually, on_both_stores

if TYPE_CHECKING:
    from kmodbot.bot.build import Build
    from tests.bot.conftest import Bot


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the ids of the builds that are read."""
    ids: list[str] = []
    get = Builds.get

    async def counted(self: Builds, build_id: str) -> Build | None:
        ids.append(build_id)
        return await get(self, build_id)

    monkeypatch.setattr(Builds, "get", counted)
    return ids


async def test_all_who_wait_for_a_build_share_its_readings(bot: Bot, reads: list[str]) -> None:
    bot.github.hold_runs()
    _, asked = await bot.ask()
    build_id = asked["build_id"]
    waiting = bot.app[keys.WAITING]
    before = len(reads)
    tasks = [asyncio.create_task(waiting.get(build_id, 30)) for _ in range(50)]
    await eventually(lambda: len(reads) > before)
    bot.app[keys.CHANGES].announce(build_id)
    await eventually(lambda: len(reads) > before + 1)
    bot.github.release_runs()
    found = await asyncio.gather(*tasks)

    assert {build and build.phase.status for build in found} == {"done"}
    assert len(reads) - before < 25


async def test_one_who_goes_away_does_not_keep_the_others_from_waiting(bot: Bot) -> None:
    bot.github.hold_runs()
    _, asked = await bot.ask()
    waiting = bot.app[keys.WAITING]
    patient, impatient = (asyncio.create_task(waiting.get(asked["build_id"], 30)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    bot.github.release_runs()

    build = await patient
    assert build is not None
    assert build.phase.is_final


async def test_a_build_is_told_as_it_is_when_the_time_is_up(bot: Bot) -> None:
    bot.github.hold_runs()
    _, asked = await bot.ask()

    build = await bot.app[keys.WAITING].get(asked["build_id"], 0.001)

    assert build is not None
    assert not build.phase.is_final


@on_both_stores
@pytest.mark.parametrize("name", ["%00", "abc%00def", "%FF", "a%ED%A0%80b", "ABCDEF", "x" * 65])
async def test_what_is_no_build_id_is_not_found(bot: Bot, name: str, reads: list[str]) -> None:
    url = URL(str(bot.client.make_url("/status/")) + name, encoded=True)
    async with bot.client.session.get(url) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "not_found"
    assert reads == []
