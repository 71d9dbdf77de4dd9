"""Readings that many share."""

from __future__ import annotations

import asyncio
import itertools
from typing import NoReturn

import pytest
from cachetools import TTLCache

from kmodbot.bot.shared import SharedReadings


async def test_those_who_ask_at_once_share_a_reading() -> None:
    readings: SharedReadings[str, int] = SharedReadings(4, 60)
    numbers = itertools.count()

    async def read() -> int:
        await asyncio.sleep(0)
        return next(numbers)

    assert await asyncio.gather(*(readings.get("a", 60, read) for _ in range(3))) == [0, 0, 0]


async def test_an_error_is_forgotten() -> None:
    readings: SharedReadings[str, int] = SharedReadings(4, 60)

    async def fail() -> NoReturn:
        raise ConnectionError

    async def succeed() -> int:
        return 1

    with pytest.raises(ConnectionError):
        await readings.get("a", 60, fail)
    assert await readings.get("a", 60, succeed) == 1


@pytest.mark.parametrize("age", range(1, 12))
async def test_an_error_is_told_as_it_is_even_where_the_reading_becomes_too_old(age: int) -> None:
    readings: SharedReadings[str, int] = SharedReadings(4, 60)
    # Time goes on with every look at the clock, so the end of it comes at every moment once.
    ticks = itertools.count()
    readings._readings = TTLCache(4, age, timer=lambda: next(ticks))

    async def fail() -> NoReturn:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await readings.get("a", 60, fail)
