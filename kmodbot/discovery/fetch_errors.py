"""Why a file could not be fetched, and whether another try may help."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dateutil import parser as dates

if TYPE_CHECKING:
    from collections.abc import Mapping

# Amazon's CDN answers 403 for what is not there:
# https://github.com/amazonlinux/amazon-linux-2023/issues/336
_MISSING = (403, 404, 410)
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class FetchError(Exception):
    """A file that could not be had; ``str(error)`` is ``"{url}: {reason}"``."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason


class Missing(FetchError):
    """The server, or the disk, says that there is no such file."""


class Passing(FetchError):
    """A failure that another try may not meet; ``pause`` in seconds where the server named one."""

    def __init__(self, url: str, reason: str, pause: float | None = None) -> None:
        super().__init__(url, reason)
        self.pause = pause


def raise_for_status(url: str, status: int, headers: Mapping[str, str]) -> None:
    """Raise what an HTTP status other than 200 and 304 means."""
    if status in (200, 304):
        return
    if status in _MISSING:
        raise Missing(url, f"is not there (HTTP {status})")
    if status in _PASSING:
        raise Passing(url, f"HTTP {status}", _retry_after(headers.get("Retry-After", "")))
    raise FetchError(url, f"HTTP {status}")


def _retry_after(value: str) -> float | None:
    """Return the seconds that the header asks to wait: a number or a date.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = dates.parse(value)
    except (ValueError, OverflowError):
        return None
    now = datetime.now(UTC)
    return max(
        0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    )
