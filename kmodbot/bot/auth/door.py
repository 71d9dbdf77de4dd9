"""From the ``Authorization`` header to the caller."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from kmodbot.bot.auth.caller import ANONYMOUS, Caller
from kmodbot.bot.auth.issuers import Issuers, NotAccepted, NotAllowed, claimed_name, is_jwt
from kmodbot.bot.auth.keysets import IssuerUnavailable
from kmodbot.bot.auth.refusals import Reason, Refused
from kmodbot.bot.auth.tokens import find_caller, fingerprint

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
            Refused: 401 without credentials or with some that do not hold, 403 for a caller who
                may not ask, 503 when that cannot be found out now.

        """
        if self._open:
            return ANONYMOUS
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise _unauthenticated("send an API token: Authorization: Bearer TOKEN")
        known = find_caller(token, self._tokens)
        if known is None and self._issuers is not None and is_jwt(token):
            return await _ask(self._issuers, token)
        if known is None:
            raise _unknown(token)
        return known


def _unauthenticated(
    message: str, reason: Reason = Reason.MISSING, who: str = "a caller without a token"
) -> Refused:
    return Refused(HTTPStatus.UNAUTHORIZED, "unauthenticated", message, reason, who)


def _unknown(token: str) -> Refused:
    message, reason, who = "the bot does not know this API token", Reason.UNKNOWN, "a caller"
    if is_jwt(token):
        message = "the bot accepts no JSON Web Tokens: KMODBOT_OIDC_ISSUERS is not set"
        reason, who = Reason.ISSUER, claimed_name(token)
    elif (known_by := fingerprint(token)) is not None:
        who = f"the holder of the API token whose sha256 begins with {known_by}"
    return Refused(HTTPStatus.FORBIDDEN, "forbidden", message, reason, who)


async def _ask(issuers: Issuers, token: str) -> Caller:
    try:
        return await issuers.caller(token)
    except NotAccepted as error:
        raise _unauthenticated(str(error), error.reason, claimed_name(token)) from error
    except NotAllowed as error:
        status, reason, who = HTTPStatus.FORBIDDEN, Reason.SUBJECT, error.name
        raise Refused(status, "forbidden", str(error), reason, who) from error
    except IssuerUnavailable as error:
        status, wait = HTTPStatus.SERVICE_UNAVAILABLE, _SECONDS_UNTIL_AN_ISSUER_IS_BACK
        message = f"the keys of {error} cannot be read now, so the token cannot be checked"
        reason, who = Reason.UNAVAILABLE, claimed_name(token)
        raise Refused(
            status, "issuer_unavailable", message, reason, who, retry_after=wait
        ) from error
