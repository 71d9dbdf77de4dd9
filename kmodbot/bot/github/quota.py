"""What is left of the installation's requests in this hour, and how much of it callers may cause.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The rest is kept for what goes on whoever asks: dispatches, and reading how runs have ended.
_RESERVE = 0.1
_LONGEST_SECONDS = 3600


class Quota:
    """Takes note of what each answer to the installation says is left."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._limit = 0
        self._remaining = 0
        self._reset = 0.0

    def note(self, headers: Mapping[str, str]) -> int | None:
        """Read an answer's headers; return how many requests are left, None if it does not say."""
        limit, remaining, reset = (
            headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")
        )
        # Searches and the like have limits of their own.
        of_another = headers.get("x-ratelimit-resource", "core") != "core"
        if of_another or not remaining.isdecimal():
            return None
        self._remaining = int(remaining)
        if limit.isdecimal() and reset.isdecimal():
            self._limit, self._reset = int(limit), float(reset)
        return self._remaining

    def seconds_until_spare(self) -> int:
        """Return in how many seconds more than the reserve is left; 0 when it is so now."""
        left = self._reset - self._clock()
        if left <= 0 or self._remaining > self._limit * _RESERVE:
            return 0
        return min(_LONGEST_SECONDS, math.ceil(left))
