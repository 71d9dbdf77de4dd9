"""Readings that any number of callers share while they are young enough."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from cachetools import TTLCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")


@dataclass(frozen=True)
class _Reading(Generic[Value]):
    """One reading: a task, so that those who ask meanwhile share it."""

    task: asyncio.Future[Value]
    started: float = field(default_factory=time.monotonic)


class SharedReadings(Generic[Key, Value]):
    """Values by key, each read once for all who ask within ``max_age`` seconds."""

    def __init__(self, size: int, max_age: float) -> None:
        self._readings: TTLCache[Key, _Reading[Value]] = TTLCache(size, max_age)

    def has(self, key: Key, max_age: float) -> bool:
        """Tell whether a value was read at most ``max_age`` seconds ago, or is being read now."""
        reading = self._readings.get(key)
        return reading is not None and time.monotonic() - reading.started < max_age

    def forget(self, key: Key) -> None:
        """Let the next caller read again; those who wait get what is being read."""
        self._readings.pop(key, None)

    async def get(self, key: Key, max_age: float, read: Callable[[], Awaitable[Value]]) -> Value:
        """Return a value that was read at most ``max_age`` seconds ago, or is being read now.

        An error of ``read`` is raised for everybody who waits, and forgotten.
        """
        reading = self._readings.get(key)
        if reading is None or not self.has(key, max_age):
            reading = _Reading(asyncio.ensure_future(read()))
            self._readings[key] = reading
        try:
            # One caller that is cancelled must not take the answer from the others.
            return await asyncio.shield(reading.task)
        except Exception:
            if self._readings.get(key) is reading:
                del self._readings[key]
            raise
