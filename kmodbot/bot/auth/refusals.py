"""Callers that are turned away: why, how many, and a few lines of the log about them."""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import TYPE_CHECKING

from cachetools import TTLCache

from kmodbot.bot.auth.limits import RateLimit
from kmodbot.bot.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable
    from http import HTTPStatus

    from kmodbot.bot.metrics import AuthMetrics

log = logging.getLogger(__name__)

# A fleet with a wrong token has thousands of nodes, and each asks again and again.
_LINES_PER_MINUTE = 20
_SECONDS_BETWEEN_LINES = 60.0
_REMEMBERED = 1024


class Reason(StrEnum):
    """Why a caller is turned away, in one word for the metrics."""

    MISSING = "missing"
    UNKNOWN = "unknown_token"
    FORM = "malformed"
    ISSUER = "issuer"
    KEY = "key"
    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET = "not_yet_valid"
    AUDIENCE = "audience"
    CLAIMS = "claims"
    SUBJECT = "subject"
    UNAVAILABLE = "issuer_unavailable"
    WEBHOOK = "webhook_signature"


class Refused(ApiError):
    """Nobody that the bot knows asks. ``who`` tells the operator who it is, as far as known."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        reason: Reason,
        who: str,
        *,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(status, code, message, retry_after=retry_after)
        self.reason = reason
        self.who = who


class Refusals:
    """Takes note of refused callers: a line a minute for each, and not too many for all."""

    def __init__(self, metrics: AuthMetrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._told: TTLCache[tuple[str, str], None] = TTLCache(
            _REMEMBERED, _SECONDS_BETWEEN_LINES, timer=clock
        )
        self._lines = RateLimit(_LINES_PER_MINUTE, clock)
        self._untold = 0

    def note(self, refused: Refused, remote: str | None, route: str | None) -> None:
        """Count a refusal, and log it where it is news.

        ``remote`` is the address of who connected, which may be a proxy; ``route`` is None where
        there is nothing at the address that was asked for.
        """
        self._metrics.refused(refused.reason)
        if route is None and refused.reason is Reason.MISSING:
            # Whoever looks for holes in servers everywhere; no node of ours.
            return
        key = (refused.reason, refused.who)
        if key in self._told or self._lines.take(""):
            self._untold += 1
            return
        self._told[key] = None
        others = f" ({self._untold} more refusals since the last such line)" if self._untold else ""
        self._untold = 0
        log.warning(
            "refused %s from %s at %s: %s%s",
            *(refused.who, remote or "an unknown address", route, refused, others),
        )
