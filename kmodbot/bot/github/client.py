"""One client for GitHub's REST API: authentication, time limits and errors in one place."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import gidgethub
import gidgethub.aiohttp
from cachetools import LRUCache

from kmodbot.bot.github.errors import (
    GitHubLimited,
    GitHubRefused,
    GitHubUnavailable,
    classify,
)
from kmodbot.bot.github.tokens import InstallationTokens, Purpose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from kmodbot.bot.settings import Settings

_REQUESTER = "kmodbot"
# https://docs.github.com/en/rest/about-the-rest-api/api-versions
_HEADERS = {"x-github-api-version": "2022-11-28"}
TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_CACHED_ANSWERS = 512
_JSON = "application/vnd.github+json"


class _Transport(gidgethub.aiohttp.GitHubAPI):
    """gidgethub over aiohttp, with failures of the network told apart from answers."""

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            return await super()._request(method, url, headers, body)
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise GitHubUnavailable(f"GitHub cannot be reached: {reason}") from error


class GitHubClient:
    """Calls GitHub for one repository. Paths begin below ``/repos/{owner}/{name}``.

    Every call raises :class:`GitHubUnavailable` when it may succeed later, :class:`GitHubRefused`
    when it will not.
    """

    def __init__(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        base = {"base_url": settings.api_url}
        self._as_app = _Transport(
            session,
            _REQUESTER,
            app_id=settings.app_id,
            private_key=settings.private_key.reveal(),
            **base,
        )
        # An ETag belongs to the token that fetched it, so only the reader, with one token for its
        # whole hour, has a cache.
        self._reader = _Transport(session, _REQUESTER, cache=LRUCache(_CACHED_ANSWERS), **base)
        self._writer = _Transport(session, _REQUESTER, **base)
        self._tokens = InstallationTokens(settings.repository, self._ask_as_app)
        self._repository = f"/repos/{settings.repository}"
        self._silent_until = 0.0

    async def get(self, path: str, *, accept: str = _JSON, cached: bool = True) -> Any:
        """Read one thing. What is unlikely to be asked again need not be ``cached``."""
        url = self._repository + path
        transport = self._reader if cached else self._writer

        async def call(token: str) -> Any:
            return await transport.getitem(
                url, None, accept=accept, oauth_token=token, extra_headers=_HEADERS
            )

        answer = await self._as_installation(Purpose.READ, call)
        if accept == _JSON and not isinstance(answer, (dict, list)):
            raise GitHubUnavailable("GitHub sent an answer that is not JSON")
        return answer

    async def get_or_none(self, path: str, **options: Any) -> Any:
        """Read one thing, or None where there is none."""
        try:
            return await self.get(path, **options)
        except GitHubRefused as error:
            if error.status == 404:
                return None
            raise

    async def post(self, path: str, data: dict[str, Any], purpose: Purpose) -> Any:
        """Create something."""
        return await self._write(self._writer.post, path, data, purpose)

    async def patch(self, path: str, data: dict[str, Any], purpose: Purpose) -> Any:
        """Change something."""
        return await self._write(self._writer.patch, path, data, purpose)

    async def delete(self, path: str, purpose: Purpose) -> None:
        """Remove something."""
        await self._write(self._writer.delete, path, b"", purpose)

    async def _write(
        self, method: Callable[..., Awaitable[Any]], path: str, data: object, purpose: Purpose
    ) -> Any:
        url = self._repository + path

        async def call(token: str) -> Any:
            return await method(url, None, data=data, oauth_token=token, extra_headers=_HEADERS)

        answer = await self._as_installation(purpose, call)
        if isinstance(answer, str):
            raise GitHubUnavailable("GitHub sent an answer that is not JSON")
        return answer

    async def _as_installation(
        self, purpose: Purpose, call: Callable[[str], Coroutine[Any, Any, Any]]
    ) -> Any:
        token = await self._tokens.get(purpose)
        try:
            return await self._obeying(call(token.reveal()))
        except GitHubRefused as error:
            # A token ends early when the App's key or installation changes.
            if error.status != 401:
                raise
            self._tokens.drop(purpose, token)
        token = await self._tokens.get(purpose)
        return await self._obeying(call(token.reveal()))

    async def _ask_as_app(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        if method == "GET":
            call = self._as_app.getitem(url, None, extra_headers=_HEADERS)
        else:
            call = self._as_app.post(url, None, data=body, extra_headers=_HEADERS)
        return await self._obeying(call)

    async def _obeying(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Make a call, unless GitHub has told us to be silent for now.

        Going on in spite of a limit can cost the App its access.
        https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
        """
        left = self._silent_until - time.monotonic()
        if left > 0:
            call.close()
            raise GitHubLimited("GitHub limits our requests", math.ceil(left))
        try:
            return await _translated(call)
        except GitHubLimited as limit:
            self._silent_until = time.monotonic() + limit.retry_after
            raise


async def _translated(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except gidgethub.HTTPException as error:
        raise classify(error) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # A cut-off or garbled body: not JSON, not UTF-8, or JSON of another shape.
        raise GitHubUnavailable("GitHub sent an answer that cannot be read") from error
