"""Who is calling: App JWTs, installation tokens, the token of a run, a person's token."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kmodbot.sandbox.accounts import (
    ACTIONS_BOT,
    APP_BOT,
    APP_ID,
    CLIENT_ID,
    MAINTAINER,
    Account,
)
from kmodbot.sandbox.errors import Refusal, bad_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOKEN_LIFETIME: Final = timedelta(hours=1)
# https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
JWT_LIFETIME: Final = timedelta(minutes=10)
UNDECODABLE: Final = "A JSON web token could not be decoded"


@dataclass(frozen=True)
class Actor:
    """A caller. `permissions` is None for who may do everything."""

    kind: str | None
    account: Account | None = None
    permissions: Mapping[str, str] | None = field(default_factory=dict)
    token: str = field(default="", repr=False)
    expires_at: datetime | None = None

    def may(self, permission: str, level: str) -> bool:
        """Tell whether `permission` is granted at `level` ("read" or "write")."""
        if self.permissions is None:
            return True
        granted = self.permissions.get(permission)
        return granted == "write" or granted == level


ANONYMOUS: Final = Actor(None)


class Keyring:
    """The App's key pair and every token in use."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._public_key = key.public_key()
        self.private_key = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
        self._actors: dict[str, Actor] = {}
        self.maintainer_token = f"ghp_{secrets.token_hex(18)}"
        self._actors[self.maintainer_token] = Actor(
            "maintainer", MAINTAINER, None, self.maintainer_token
        )

    def mint(self, kind: str, permissions: Mapping[str, str]) -> Actor:
        """Return the holder of a new token for one hour; `kind` is installation or actions.

        The token has the long form that GitHub moves to, so that nobody relies on 40 characters.
        """
        account = APP_BOT if kind == "installation" else ACTIONS_BOT
        parts = (secrets.token_urlsafe(size) for size in (48, 240, 64))
        token = f"ghs_{APP_ID}_{'.'.join(parts)}"
        granted = {"metadata": "read", **permissions}
        actor = Actor(kind, account, granted, token, self._clock() + TOKEN_LIFETIME)
        self._actors[token] = actor
        return actor

    def revoke(self, token: str) -> None:
        """Make a token worthless."""
        self._actors.pop(token, None)

    def identify(self, authorization: str) -> Actor:
        """Return who sent this Authorization header.

        Raises:
            Refusal: the token or JWT is not valid (any more).

        """
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in ("bearer", "token"):
            raise bad_credentials()
        if token.startswith("ey"):
            return self._app(token)
        actor = self._actors.get(token)
        if actor is None or (actor.expires_at is not None and actor.expires_at <= self._clock()):
            raise bad_credentials()
        return actor

    def _app(self, token: str) -> Actor:
        try:
            claims = jwt.decode(
                token,
                self._public_key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False, "verify_iss": False},
            )
        except jwt.InvalidTokenError as error:
            raise Refusal(401, UNDECODABLE) from error
        self._check_times(claims.get("iat"), claims.get("exp"))
        if str(claims.get("iss")) not in (str(APP_ID), CLIENT_ID):
            raise Refusal(404, "Integration not found")
        return Actor("app", APP_BOT, {}, token)

    def _check_times(self, issued: object, expires: object) -> None:
        now = self._clock().timestamp()
        if not isinstance(issued, int) or issued > now:
            raise Refusal(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the "
                "assertion was issued",
            )
        if not isinstance(expires, int) or expires <= now:
            raise Refusal(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future "
                "time at which the assertion expires",
            )
        if expires > now + JWT_LIFETIME.total_seconds():
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
