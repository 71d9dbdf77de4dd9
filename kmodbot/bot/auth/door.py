"""From the ``Authorization`` header to the caller."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kmodbot.bot.auth.caller import ANONYMOUS, Caller
from kmodbot.bot.auth.issuers import Issuers, NotAccepted, NotAllowed, is_jwt
from kmodbot.bot.auth.keysets import IssuerUnavailable
from kmodbot.bot.auth.tokens import find_caller
from kmodbot.bot.errors import ApiError

if TYPE_CHECKING:
    import aiohttp

    from kmodbot.bot.settings import Settings

_SECONDS_UNTIL_AN_ISSUER_IS_BACK = 15


class Door:
    """Tells who asks, and turns away whom it does not know."""

    def __init__(self, session: aiohttp.ClientSession, settings: Settings) -> None:
        self._tokens = settings.api_tokens
        self._issuers = Issuers(session, settings.oidc) if settings.oidc.issuers else None
        self._open = not settings.authenticates

    async def caller(self, authorization: str | None) -> Caller:
        """Return who sent a request with this header.

        Raises:
            ApiError: 401 without credentials or with some that do not hold, 403 for a caller who
                may not ask, 503 when that cannot be found out now.

        """
        if self._open:
            return ANONYMOUS
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            message = "send an API token: Authorization: Bearer TOKEN"
            raise ApiError(HTTPStatus.UNAUTHORIZED, "unauthenticated", message)
        known = find_caller(token, self._tokens)
        if known is None and self._issuers is not None and is_jwt(token):
            return await _ask(self._issuers, token)
        if known is None:
            message = "the bot does not know this API token"
            raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", message)
        return known


async def _ask(issuers: Issuers, token: str) -> Caller:
    try:
        return await issuers.caller(token)
    except NotAccepted as error:
        raise ApiError(HTTPStatus.UNAUTHORIZED, "unauthenticated", str(error)) from error
    except NotAllowed as error:
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", str(error)) from error
    except IssuerUnavailable as error:
        status, wait = HTTPStatus.SERVICE_UNAVAILABLE, _SECONDS_UNTIL_AN_ISSUER_IS_BACK
        message = f"the keys of {error} cannot be read now, so the token cannot be checked"
        raise ApiError(status, "issuer_unavailable", message, retry_after=wait) from error
