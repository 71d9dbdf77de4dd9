"""Is GitHub there? The calls that are made anyway tell; without any, one is made."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from kmodbot.bot.github.errors import GitHubError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from kmodbot.bot.metrics import GitHubMetrics

_REDIRECTION = 300
_SERVER_ERROR = 500
# What these answer to the App itself says whether anything else can be asked at all.
_TOKEN = "token"  # noqa: S105  # not a secret
_IDENTIFYING = frozenset({_TOKEN, "installation"})
_REFUSALS = frozenset({401, 403, 404})
# A single error is no outage.
_SECONDS_UNTIL_AN_OUTAGE = 60.0
# An answer this old says nothing any more; a failure is looked at again sooner.
_SECONDS_ANSWERS_HOLD = 600.0
_SECONDS_BETWEEN_CHECKS = 60.0


class Reachability:
    """Is told of every call to GitHub, and knows from them whether GitHub answers."""

    def __init__(self, metrics: GitHubMetrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._answered_at: float | None = None
        self._failing_since: float | None = None
        self._failure = ""
        # Since when and why the App is not let in, by the kind of call that said so.
        self._refusals: dict[str, tuple[float, str]] = {}
        self._had_token = False
        self._checked_at: float | None = None

    def called(self, kind: str, status: int, seconds: float, remaining: int | None) -> None:
        """Take note of a call; ``status`` is 0 without an answer."""
        self._metrics.called(kind, status, seconds, remaining)
        now = self._clock()
        if kind in _IDENTIFYING and status in _REFUSALS:
            self._refusals.setdefault(_TOKEN, (now, f"it does not let the App in ({status})"))
            return
        if kind == _TOKEN and 0 < status < _SERVER_ERROR:
            self._refusals.clear()
            self._had_token = True
        elif 0 < status < _REDIRECTION:
            self._refusals.pop(kind, None)
        if 0 < status < _SERVER_ERROR:
            self._answered_at, self._failing_since = now, None
            return
        self._failing_since = now if self._failing_since is None else self._failing_since
        self._failure = f"it answered {status}" if status else "it did not answer"

    def parked(self, until: datetime | None) -> None:
        """Take note that nothing is asked until then."""
        self._metrics.parked(until)

    def denied(self, kind: str, reason: str) -> None:
        """Take note that GitHub does not let the App in, and of what to do about it."""
        since, _ = self._refusals.get(kind, (self._clock(), ""))
        self._refusals[kind] = since, f"it does not let the App in: {reason}"

    def problem(self) -> str | None:
        """Say since when GitHub is away or refuses us; None while it is there, or may be."""
        troubles = [(*refusal, self._had_token) for refusal in self._refusals.values()]
        if self._failing_since is not None:
            troubles.append((self._failing_since, self._failure, self._answered_at is not None))
        for since, reason, was_well in troubles:
            away = self._clock() - since
            if not (was_well and away < _SECONDS_UNTIL_AN_OUTAGE):
                return f"no good answer for {away:.0f} s: {reason}"
        return None

    async def check(self, call: Callable[[], Awaitable[object]], patience: float) -> None:
        """Make one cheap call where nothing is known, at most one a minute."""
        now = self._clock()
        last = self._answered_at
        failing = self._failing_since is not None or bool(self._refusals)
        known = not failing and last is not None
        if known and last is not None and now - last < _SECONDS_ANSWERS_HOLD:
            return
        if self._checked_at is not None and now - self._checked_at < _SECONDS_BETWEEN_CHECKS:
            return
        self._checked_at = now
        with contextlib.suppress(GitHubError, TimeoutError):
            async with asyncio.timeout(patience):
                await call()
