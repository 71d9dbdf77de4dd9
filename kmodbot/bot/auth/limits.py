"""How many builds a caller may start: a bucket of tokens for each."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachetools import TTLCache

if TYPE_CHECKING:
    from collections.abc import Callable

_CALLERS = 10_000
_MINUTE = 60.0


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """Lets each caller start ``per_minute`` builds at once, and as many again over a minute.

    A bucket that nobody touched for a minute is full, as a new one is, so it may be forgotten.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._clock = clock
        self._buckets: TTLCache[str, _Bucket] = TTLCache(_CALLERS, _MINUTE, timer=clock)

    def take(self, caller: str) -> int:
        """Count one build; return 0, or in how many seconds the caller may ask again."""
        bucket = self._filled(caller)
        if bucket.tokens < 1:
            return max(1, math.ceil((1 - bucket.tokens) * _MINUTE / self._size))
        bucket.tokens -= 1
        # Stored anew, so that its minute begins again.
        self._buckets[caller] = bucket
        return 0

    def give_back(self, caller: str) -> None:
        """Take back the count of a build that was not started."""
        bucket = self._filled(caller)
        bucket.tokens = min(self._size, bucket.tokens + 1)
        self._buckets[caller] = bucket

    def _filled(self, caller: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(caller) or _Bucket(self._size, now)
        earned = (now - bucket.filled_at) * self._size / _MINUTE
        bucket.tokens = min(self._size, bucket.tokens + earned)
        bucket.filled_at = now
        return bucket
