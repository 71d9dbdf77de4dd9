"""What GitHub's answers mean, told apart by what the caller can do about them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

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


class GitHubUnreachable(GitHubUnavailable):
    """No connection to GitHub came about, so nothing was sent, whatever it would have been."""


class GitHubDenied(GitHubUnavailable):
    """GitHub does not let the App in; ``reason`` tells its operator what to do about it.

    Not a refusal: it says nothing about what was asked for, which may succeed once that is done.
    """

    def __init__(self, status: int, message: str, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class GitHubLimited(GitHubUnavailable):
    """GitHub wants us to be silent for ``retry_after`` seconds; nothing was applied.

    ``said`` tells whether GitHub named the time itself.
    """

    retry_after: int

    def __init__(self, message: str, retry_after: int, *, said: bool = True) -> None:
        super().__init__(message, retry_after)
        self.said = said


class GitHubRefused(GitHubError):
    """GitHub will not do this, however often it is asked. ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class GitHubGone(GitHubRefused):
    """What the call is about does not exist, or not for us."""


class GitHubConflict(GitHubRefused):
    """Somebody was faster: what was to be created exists, or what was to be changed has changed."""


class GitHubUnauthorized(GitHubRefused):
    """The token is not accepted; a new one may be."""


class GitHubMoved(GitHubRefused):
    """What the call is about is at another ``location``."""

    def __init__(self, status: int, message: str, location: str) -> None:
        super().__init__(status, message)
        self.location = location


class Verdict(Enum):
    """What to do after an answer."""

    SUCCESS = "go on"
    GONE = "take it as absent"
    MOVED = "ask where GitHub sends us"
    CONFLICT = "look at what is there"
    RETRY_NOW = "ask again with a new token"
    RETRY_LATER = "ask again some time later"
    PARK = "ask nothing at all until the time is up"
    GIVE_UP = "tell the operator"


@dataclass(frozen=True)
class Rule:
    """Answers of these statuses whose message holds one of ``words`` (any, when there are none)."""

    verdict: Verdict
    statuses: Container[int]
    words: tuple[str, ...] = ()

    def holds(self, status: int, message: str) -> bool:
        """Tell whether the rule speaks of this answer; ``message`` is in lower case."""
        fits = not self.words or any(word in message for word in self.words)
        return status in self.statuses and fits


# The first rule that holds decides, once the headers have not said that a limit was reached.
# https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
RULES = (
    Rule(Verdict.SUCCESS, range(200, 300)),
    Rule(Verdict.SUCCESS, {304}),
    # A repository that was renamed or transferred, a branch that was renamed.
    Rule(Verdict.MOVED, {301, 307, 308}),
    # A secondary limit may come without any header, known by its message alone.
    Rule(Verdict.PARK, {429}),
    Rule(Verdict.PARK, {403}, ("rate limit", "abuse")),
    Rule(Verdict.RETRY_NOW, {401}),
    Rule(Verdict.GONE, {404, 410}),
    Rule(Verdict.GONE, {422}, ("reference does not exist",)),
    Rule(Verdict.CONFLICT, {409}),
    # GitHub names these cases nowhere but in the message.
    Rule(Verdict.CONFLICT, {422}, ("already exists", "is not a fast forward")),
    Rule(Verdict.RETRY_LATER, {408, 425}),
    Rule(Verdict.RETRY_LATER, range(500, 600)),
    Rule(Verdict.GIVE_UP, range(100, 600)),
)


def judge(status: int, headers: Mapping[str, str], message: str) -> Verdict:
    """Say what an answer calls for.

    Both kinds of rate limit may answer 403 or 429; only the headers tell them from a refusal.
    """
    if _seconds_said(status, headers) is not None:
        return Verdict.PARK
    lowered = message.lower()
    return next(rule.verdict for rule in RULES if rule.holds(status, lowered))


def classify(error: gidgethub.HTTPException) -> GitHubError:
    """Return the exception that stands for an answer other than success."""
    status, message = int(error.status_code), str(error)
    return _MEANINGS[judge(status, error.headers, message)](status, error.headers, message)


def _seconds_said(status: int, headers: Mapping[str, str]) -> int | None:
    if status not in {403, 429}:
        return None
    retry_after = headers.get("retry-after", "")
    if retry_after.isdecimal():
        return max(1, int(retry_after))
    if headers.get("x-ratelimit-remaining") != "0":
        return None
    reset = headers.get("x-ratelimit-reset", "")
    return max(1, int(reset) - _now(headers)) if reset.isdecimal() else _SECONDS_WHEN_UNSAID


def _now(headers: Mapping[str, str]) -> int:
    """Return GitHub's time in seconds since 1970: the clock of this machine may be wrong."""
    try:
        return int(parsedate_to_datetime(headers.get("date", "")).timestamp())
    except ValueError:
        return int(time.time())


def _parked(status: int, headers: Mapping[str, str], message: str) -> GitHubError:
    said = _seconds_said(status, headers)
    text = f"GitHub limits our requests: {message}"
    return GitHubLimited(text, said or _SECONDS_WHEN_UNSAID, said=said is not None)


def _away(status: int, _headers: Mapping[str, str], message: str) -> GitHubError:
    return GitHubUnavailable(f"GitHub answered {status}: {message}")


def _moved(status: int, headers: Mapping[str, str], message: str) -> GitHubError:
    return GitHubMoved(status, message, headers.get("location", ""))


def _refusal(
    kind: type[GitHubRefused],
) -> Callable[[int, Mapping[str, str], str], GitHubError]:
    return lambda status, _headers, message: kind(status, message)


_MEANINGS: Mapping[Verdict, Callable[[int, Mapping[str, str], str], GitHubError]] = {
    Verdict.PARK: _parked,
    Verdict.RETRY_LATER: _away,
    Verdict.RETRY_NOW: _refusal(GitHubUnauthorized),
    Verdict.GONE: _refusal(GitHubGone),
    Verdict.MOVED: _moved,
    Verdict.CONFLICT: _refusal(GitHubConflict),
    Verdict.GIVE_UP: _refusal(GitHubRefused),
    # Never raised for a success; an exception that claims one is not understood.
    Verdict.SUCCESS: _refusal(GitHubRefused),
}
