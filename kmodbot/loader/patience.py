"""Trying again: what may be better the next time, until a deadline."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from .failures import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


class TransientError(Exception):
    """Something that may be better the next time; ``retry_after`` seconds are asked for."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Deadline:
    """A moment after which nothing more is tried."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, 0 when it is over."""
        return max(0.0, self._end - time.monotonic())

    def within(self, seconds: float) -> Deadline:
        """Return the earlier of this deadline and one in so many seconds."""
        return Deadline(min(seconds, self.left()))


def patiently(
    action: Callable[[], Result], deadline: Deadline, say: Callable[[str], None]
) -> Result:
    """Repeat what fails for the moment, with random pauses that grow, until the deadline.

    The last pause ends with the deadline, and one more try is made then. Half of each pause is
    random, so that nodes which booted together do not knock together:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Raises ``Unreachable`` with the last reason.
    """
    step = _FIRST_PAUSE
    while True:
        try:
            return action()
        except TransientError as error:
            left = deadline.left()
            if not left:
                raise Unreachable(f"{error}; gave up") from error
            chance = random.uniform(step / 2, step)  # noqa: S311 - no secret is made
            pause = min(left, error.retry_after + chance)
            say(f"{error}; trying again in {pause:.1f} s")
        time.sleep(pause)
        step = min(_LONGEST_PAUSE, 2 * step)
