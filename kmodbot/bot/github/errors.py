"""What can go wrong when GitHub is asked, told apart by what the caller can do about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import gidgethub

# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
_SECONDS_WHEN_UNSAID = 60


class GitHubError(Exception):
    """GitHub was asked and did not do it."""


class GitHubUnavailable(GitHubError):
    """GitHub cannot serve this now; the same call may succeed later.

    ``retry_after`` is the number of seconds to wait at least, where GitHub said so. A write may
    have been applied all the same: its answer can be lost.
    """

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class GitHubLimited(GitHubUnavailable):
    """GitHub wants us to be silent for ``retry_after`` seconds."""

    retry_after: int


class GitHubRefused(GitHubError):
    """GitHub will not do this, however often it is asked. ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


def classify(error: gidgethub.HTTPException) -> GitHubError:
    """Tell a refusal from a limit or an outage.

    Both kinds of rate limit may answer 403 or 429; only the headers tell them from a refusal.
    """
    status = int(error.status_code)
    message = str(error)
    wait = _seconds_to_wait(status, error.headers, message.lower())
    if wait is not None:
        return GitHubLimited(f"GitHub limits our requests: {message}", wait)
    if status >= 500:
        return GitHubUnavailable(f"GitHub answered {status}: {message}")
    return GitHubRefused(status, message)


def _seconds_to_wait(status: int, headers: Mapping[str, str], message: str) -> int | None:
    if status not in {403, 429}:
        return None
    retry_after = headers.get("retry-after", "")
    if retry_after.isdecimal():
        return int(retry_after)
    if headers.get("x-ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset", "")
        return max(1, int(reset) - int(time.time())) if reset.isdecimal() else _SECONDS_WHEN_UNSAID
    # A secondary limit may come without any of these headers, known by its message alone.
    limited = status == 429 or "rate limit" in message or "abuse" in message
    return _SECONDS_WHEN_UNSAID if limited else None
