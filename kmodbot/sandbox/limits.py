"""The primary rate limit, counted per caller and hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from kmodbot.sandbox.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

# Requests per hour by kind of caller.
# https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
HOURLY: Final[dict[str | None, int]] = {
    "app": 5000,
    "installation": 5000,
    "actions": 1000,
    "maintainer": 5000,
    None: 60,
}
WINDOW: Final = timedelta(hours=1)


@dataclass
class Bucket:
    """The requests of one kind of caller in the current hour."""

    limit: int
    reset: datetime
    used: int = 0

    @property
    def remaining(self) -> int:
        """How many requests are left."""
        return max(0, self.limit - self.used)

    def numbers(self) -> dict[str, int]:
        """Return the bucket as `GET /rate_limit` shows it."""
        reset = int(self.reset.timestamp())
        return {
            "limit": self.limit,
            "remaining": self.remaining,
            "reset": reset,
            "used": self.used,
        }

    def headers(self) -> dict[str, str]:
        """Return the `X-RateLimit-*` headers."""
        headers = {f"X-RateLimit-{key.title()}": str(n) for key, n in self.numbers().items()}
        return headers | {"X-RateLimit-Resource": "core"}


class Limits:
    """A bucket for each kind of caller: an installation's tokens share one, as on GitHub."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._buckets: dict[str | None, Bucket] = {}

    def bucket(self, kind: str | None) -> Bucket:
        """Return the caller's bucket of the current hour."""
        now = self._clock()
        bucket = self._buckets.get(kind)
        if bucket is None or bucket.reset <= now:
            bucket = self._buckets[kind] = Bucket(HOURLY[kind], now + WINDOW)
        return bucket

    def check(self, kind: str | None) -> None:
        """Refuse a caller whose hour is used up.

        Raises:
            Refusal: 403, as GitHub answers.

        """
        if not self.bucket(kind).remaining:
            raise primary_limit()


def primary_limit(headers: dict[str, str] | None = None) -> Refusal:
    """Return the answer to who has no requests left."""
    return Refusal(403, "API rate limit exceeded", headers=headers)


def secondary_limit(seconds: float) -> Refusal:
    """Return the answer to who asks too fast, with the seconds to wait."""
    return Refusal(
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        headers={"Retry-After": str(int(seconds))},
    )
