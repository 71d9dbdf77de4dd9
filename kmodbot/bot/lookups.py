"""What callers may make the bot ask GitHub, before anything is known to be worth a build."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kmodbot.bot.auth.limits import RateLimit
from kmodbot.bot.errors import ApiError, RateLimited

if TYPE_CHECKING:
    from kmodbot.bot.github.quota import Quota


class Lookups:
    """Lets each caller cause ``per_minute`` calls of GitHub's API, while there are some to spare.

    They are counted apart from builds: whoever only asks, for one made-up version after the other,
    would otherwise use up what the builds of everybody need.
    """

    def __init__(self, per_minute: int, quota: Quota) -> None:
        self._limit = RateLimit(per_minute)
        self._quota = quota

    def admit(self, caller: str) -> None:
        """Count one call.

        Raises:
            RateLimited: this caller has caused too many.
            ApiError: 503 while what is left of GitHub's hourly limit is kept for builds under way.

        """
        if wait := self._quota.seconds_until_spare():
            message = (
                "GitHub's hourly limit is nearly used up, and the rest is for builds under way"
            )
            raise ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE, "github_unavailable", message, retry_after=wait
            )
        if wait := self._limit.take(caller):
            message = f"this caller asks GitHub too much; ask again in {wait} s"
            raise RateLimited(caller, wait, message)
