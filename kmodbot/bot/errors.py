"""Errors that become an answer of the HTTP API."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from kmodbot.bot.github.errors import (
    GitHubDenied,
    GitHubLimited,
    GitHubRefused,
    GitHubUnreachable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmodbot.bot.github.errors import GitHubError


class ApiError(Exception):
    """An answer other than success.

    ``code`` is a stable word for programs, ``message`` a sentence for people that says what to do,
    ``field`` the offending field of the request, ``retry_after`` the seconds until another try may
    help, ``details`` what else belongs to this code.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.details = details or {}

    def body(self) -> dict[str, dict[str, Any]]:
        """Return the error envelope of the API."""
        error = {"code": self.code, "message": self.message, **self.details}
        if self.field is not None:
            error["field"] = self.field
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the answer."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status is HTTPStatus.UNAUTHORIZED and self.code == "unauthenticated":
            headers["WWW-Authenticate"] = "Bearer"
        return headers


class RateLimited(ApiError):
    """A caller asks for more than one may."""

    def __init__(self, caller: str, retry_after: int, message: str) -> None:
        self.caller = caller
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS, "rate_limited", message, retry_after=retry_after
        )


def without_github(error: GitHubError) -> str:
    """Say what keeps GitHub from serving the bot, as far as it concerns a node."""
    if isinstance(error, (GitHubDenied, GitHubRefused)):
        return "GitHub refuses the bot; the operator's log says why"
    if isinstance(error, GitHubLimited):
        return "GitHub limits the bot's requests"
    if isinstance(error, GitHubUnreachable):
        return "GitHub cannot be reached"
    return "GitHub does not serve the bot now"


def github_unavailable(message: str, retry_after: int) -> ApiError:
    """Say that GitHub does not let the bot answer now, and when to ask again."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return ApiError(status, "github_unavailable", message, retry_after=retry_after)


def invalid_field(field: str, message: str) -> ApiError:
    """Say that a field of the request does not have the form it must have."""
    return ApiError(HTTPStatus.BAD_REQUEST, "invalid_field", message, field=field)
