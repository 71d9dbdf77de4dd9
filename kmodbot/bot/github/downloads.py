"""Public downloads, which anybody may ask for: they cost nothing of GitHub's API."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Downloads:
    """The public side of the driver's repository."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def exists(self, url: str) -> bool | None:
        """Tell whether a file can be downloaded by everybody; None when that is not known.

        https://docs.github.com/en/repositories/releasing-projects-on-github/linking-to-releases
        """
        try:
            async with self._session.head(url, allow_redirects=False, timeout=_TIMEOUT) as answer:
                return _exists(answer.status, answer.headers)
        except (aiohttp.ClientError, TimeoutError):
            return None


def _exists(status: int, headers: Mapping[str, str]) -> bool | None:
    if status in {200, 302}:
        # A GitHub that shows nothing to strangers sends them to its door instead.
        return None if urlsplit(headers.get("Location", "")).path == "/login" else True
    return False if status == 404 else None
