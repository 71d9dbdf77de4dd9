"""One request to GitHub over HTTP: time limits, failures of the network, and who watches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import gidgethub.aiohttp
from gidgethub import sansio

from kmodbot.bot.github.errors import GitHubUnavailable, GitHubUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from kmodbot.bot.github.quota import Quota

TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
# A large body may take its time, as long as it comes.
_STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)
# https://docs.github.com/en/rest/about-the-rest-api/api-versions
HEADERS = {"x-github-api-version": "2022-11-28"}

# Errors of a connection that did not come about.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

# Of these a redirect is about the repository itself; one to the storage of assets is a 302.
_MOVED = frozenset({301, 307, 308})

# What a call is about, by a part of its path; the first that is found counts.
_KINDS = (
    ("/access_tokens", "token"),
    ("/installation", "installation"),
    ("/hook/deliveries", "deliveries"),
    ("/dispatches", "dispatch"),
    ("/cancel", "cancel"),
    ("/jobs", "jobs"),
    ("/actions/workflows/", "runs"),
    ("/actions/runs/", "run"),
    ("/releases", "release"),
    ("/git/matching-refs/", "branches"),
    ("/git/", "git"),
    ("/branches/", "branch"),
    ("/contents/", "contents"),
    ("/pulls", "pull"),
)


class CallObserver(Protocol):
    """Is told of every call to GitHub, and of silence under a limit."""

    def called(self, kind: str, status: int, seconds: float, remaining: int | None) -> None:
        """Take note of a call. ``status`` is 0 without an answer; ``remaining`` is what is left."""

    def parked(self, until: datetime | None) -> None:
        """Take note that nothing is asked until then; None when GitHub serves us again."""

    def denied(self, kind: str, reason: str) -> None:
        """Take note that GitHub does not let the App in; ``reason`` says what to do about it.

        It holds until a call of that ``kind`` is answered well, or a token is had.
        """


class Unobserved:
    """Takes note of nothing."""

    def called(self, kind: str, status: int, seconds: float, remaining: int | None) -> None:
        """Do nothing."""

    def parked(self, until: datetime | None) -> None:
        """Do nothing."""

    def denied(self, kind: str, reason: str) -> None:
        """Do nothing."""


def kind_of(url: str) -> str:
    """Name what a call is about, in one of few words."""
    return next((kind for part, kind in _KINDS if part in url), "repository")


class Transport(gidgethub.aiohttp.GitHubAPI):
    """gidgethub over aiohttp, with failures of the network told apart from answers.

    ``date`` is the ``Date`` header of the latest answer.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        observer: CallObserver,
        quota: Quota | None,
        **options: Any,
    ) -> None:
        super().__init__(session, "kmodbot", **options)
        self._observer = observer
        self._quota = quota
        self.date = ""

    async def page(self, url: str, jwt: str) -> tuple[Any, str | None]:
        """Return one page of a list, read as the App, and the address of the next one."""
        data, following, _ = await self._make_request(
            "GET", url, None, b"", sansio.accept_format(), jwt=jwt, extra_headers=HEADERS
        )
        return data, following

    async def open(self, url: str, accept: str, token: str) -> aiohttp.ClientResponse:
        """Return the beginning of an answer, redirects not followed; its body is still to come."""
        headers = sansio.create_headers(self.requester, accept=accept, oauth_token=token)
        # Bytes are passed on as they are, with the length that was told.
        headers["accept-encoding"] = "identity"
        where = sansio.format_url(url, None, base_url=self.base_url)
        started, status, remaining = time.monotonic(), 0, None
        try:
            answer = await self._session.get(
                where, headers=headers | HEADERS, allow_redirects=False, timeout=_STREAM_TIMEOUT
            )
            status = answer.status
            remaining = self._quota.note(answer.headers) if self._quota is not None else None
            if status < 400 and status not in _MOVED:
                return answer
            async with answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            # Not the error itself: it may hold an address that needs no token.
            raise GitHubUnavailable(f"GitHub cannot be reached: {type(error).__name__}") from error
        finally:
            self._observer.called("asset", status, time.monotonic() - started, remaining)
        # Raises what the status means.
        sansio.decipher_response(status, answer.headers, body)
        raise GitHubUnavailable("GitHub sent an answer that cannot be read")

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        started, status, remaining = time.monotonic(), 0, None
        try:
            answer = await self._send(method, url, headers, body)
            status, self.date = answer[0], answer[1].get("date", "")
            remaining = self._quota.note(answer[1]) if self._quota is not None else None
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            kind = GitHubUnreachable if isinstance(error, _NOT_SENT) else GitHubUnavailable
            raise kind(f"GitHub cannot be reached: {reason}") from error
        finally:
            seconds = time.monotonic() - started
            self._observer.called(kind_of(url), status, seconds, remaining)
        return answer

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        # Redirects are for the client to follow: it has to know, and a write must stay one.
        async with self._session.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers, await answer.read()
