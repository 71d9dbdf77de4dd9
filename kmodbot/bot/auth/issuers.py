"""Tokens of OpenID Connect issuers: workload identities that need no secret of ours.

Kubernetes service accounts: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
SPIFFE: https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import jwt
from cachetools import TLRUCache

from kmodbot.bot.auth.caller import Caller, Role
from kmodbot.bot.auth.keysets import KeySet
from kmodbot.bot.auth.refusals import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    import aiohttp

# Only signatures that a public key checks: who can check one must not be able to make one.
# https://www.rfc-editor.org/rfc/rfc8725#section-3.1
_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_LEEWAY_SECONDS = 60
_LONGEST_TOKEN = 16 * 1024
# As long as the store keeps it.
_LONGEST_NAME = 255
_KNOWN = 4096
# A token that was revoked at its issuer passes for so long.
_SECONDS_REMEMBERED = 60.0
_REQUIRED = ["exp", "aud", "sub"]


class NotAccepted(Exception):
    """A token proves nothing; the message says why, without a word of the token."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class NotAllowed(Exception):
    """A token is genuine, but its subject, ``name`` with the issuer, may not ask."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} may not ask; see KMODBOT_OIDC_SUBJECTS")
        self.name = name


@dataclass(frozen=True)
class IssuerSettings:
    """Whose tokens are accepted, and for whom.

    A pattern is ``ISSUER#PATTERN``, or the pattern alone where there is one issuer; it knows ``*``,
    ``?`` and ``[...]``. Without ``subjects`` everybody may ask whom an issuer vouches for.
    """

    issuers: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    keys_url: str | None = None
    subjects: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    def are_of_one_issuer(self, patterns: tuple[str, ...]) -> bool:
        """Tell whether each pattern says, or leaves no doubt, whose subjects it means."""
        return len(self.issuers) < 2 or all(
            pattern.partition("#")[0] in self.issuers for pattern in patterns
        )

    def fits(self, issuer: str, subject: str, patterns: tuple[str, ...]) -> bool:
        """Tell whether one of the patterns means this subject of this issuer.

        Another issuer may give the same subject to somebody else.
        """
        return any(fnmatchcase(subject, rest) for rest in self._of_issuer(issuer, patterns))

    def _of_issuer(self, issuer: str, patterns: tuple[str, ...]) -> Iterator[str]:
        for pattern in patterns:
            whose, _, rest = pattern.partition("#")
            if whose == issuer:
                yield rest
            elif len(self.issuers) == 1:
                yield pattern


class Issuers:
    """Checks the tokens of the configured issuers."""

    def __init__(self, session: aiohttp.ClientSession, settings: IssuerSettings) -> None:
        self._settings = settings
        self._keys = {
            issuer: KeySet(session, issuer, settings.keys_url) for issuer in settings.issuers
        }
        self._known: TLRUCache[bytes, tuple[Caller, float]] = TLRUCache(
            _KNOWN,
            ttu=lambda _, known, now: min(known[1], now + _SECONDS_REMEMBERED),
            timer=time.time,
        )

    async def caller(self, token: str) -> Caller:
        """Return who holds a token.

        Raises:
            NotAccepted: it is not signed by an issuer of ours, for us, and for now.
            NotAllowed: its subject may not ask.
            IssuerUnavailable: the keys of its issuer cannot be read.

        """
        key = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        known = self._known.get(key)
        if known is None:
            issuer, claims = await self._claims(token)
            known = self._identify(issuer, claims), float(claims["exp"]) + _LEEWAY_SECONDS
            self._known[key] = known
        return known[0]

    async def _claims(self, token: str) -> tuple[str, dict[str, Any]]:
        header, issuer = _unverified(token, self._settings.issuers)
        keys = await self._keys[issuer].find(header.get("kid"))
        if len(keys) != 1:
            problem = "names no key of its issuer" if not keys else "must name its key (kid)"
            raise NotAccepted(f"the token {problem}", Reason.KEY)
        try:
            return issuer, self._verified(token, keys[0], header["alg"])
        except (jwt.PyJWTError, ValueError, TypeError, LookupError) as error:
            text, reason = _explained(error)
            raise NotAccepted(f"the token is not accepted: {text}", reason) from None

    def _verified(self, token: str, key: dict[str, Any], algorithm: str) -> dict[str, Any]:
        if key.get("alg", algorithm) != algorithm:
            raise jwt.InvalidKeyError
        claims: dict[str, Any] = jwt.decode(
            token,
            jwt.PyJWK(key, algorithm),
            algorithms=[algorithm],
            audience=self._settings.audiences,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED, "enforce_minimum_key_length": True},
        )
        return claims

    def _identify(self, issuer: str, claims: dict[str, Any]) -> Caller:
        subject, settings = claims["sub"], self._settings
        # No name of an API token holds a "#", and no two issuers share a caller.
        name = f"{issuer}#{subject}"
        if not subject or len(name) > _LONGEST_NAME or not subject.isprintable():
            problem = "the token's sub is empty, too long or not printable"
            raise NotAccepted(problem, Reason.CLAIMS)
        if settings.fits(issuer, subject, settings.operators):
            return Caller(name, Role.OPERATOR)
        if not settings.subjects or settings.fits(issuer, subject, settings.subjects):
            return Caller(name)
        raise NotAllowed(name)


def is_jwt(token: str) -> bool:
    """Tell whether a token has the form of a signed JSON Web Token."""
    return token.startswith("eyJ") and token.count(".") == 2


def _unverified(token: str, issuers: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Return a token's header and the issuer whose keys must prove the rest."""
    if len(token) > _LONGEST_TOKEN:
        raise NotAccepted(f"the token is longer than {_LONGEST_TOKEN} characters", Reason.FORM)
    try:
        whole = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise NotAccepted("the token is no JSON Web Token", Reason.FORM) from None
    header, claims = whole["header"], whole["payload"]
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        problem = f"the token must be signed with one of {', '.join(sorted(_ALGORITHMS))}"
        raise NotAccepted(problem, Reason.FORM)
    issuer = claims.get("iss")
    # A JWT-SVID may leave its issuer out: the trust domain in its subject stands for it.
    if issuer is None and len(issuers) == 1 and str(claims.get("sub")).startswith("spiffe://"):
        return header, issuers[0]
    if issuer not in issuers:
        problem = "the token is of an issuer that is not among KMODBOT_OIDC_ISSUERS"
        raise NotAccepted(problem, Reason.ISSUER)
    return header, issuer


def claimed_name(token: str) -> str:
    """Return who a token says it is of, which may be a lie: for the log of what was refused."""
    try:
        claims = jwt.decode(token[:_LONGEST_TOKEN], options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return "a caller"
    name = f"{claims.get('iss', '')}#{claims.get('sub', '')}"
    # Whoever sent it may have written anything.
    return f"who claims to be {ascii(name[:_LONGEST_NAME])[1:-1]}"


_EXPLANATIONS: tuple[tuple[type[jwt.PyJWTError], str, Reason], ...] = (
    (jwt.ExpiredSignatureError, "it has expired", Reason.EXPIRED),
    (jwt.ImmatureSignatureError, "it is not valid yet; compare the clocks", Reason.NOT_YET),
    (jwt.InvalidAudienceError, "its aud does not hold KMODBOT_OIDC_AUDIENCE", Reason.AUDIENCE),
    (jwt.InvalidSignatureError, "its signature does not match", Reason.SIGNATURE),
    (jwt.InvalidKeyError, "its key and its algorithm do not fit", Reason.KEY),
    (jwt.MissingRequiredClaimError, f"it must have {', '.join(_REQUIRED)}", Reason.CLAIMS),
)


def _explained(error: Exception) -> tuple[str, Reason]:
    known = ((text, reason) for kind, text, reason in _EXPLANATIONS if isinstance(error, kind))
    return next(known, ("its header or a claim has a wrong form", Reason.CLAIMS))
