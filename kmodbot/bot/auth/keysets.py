"""The public keys of an issuer, found by its discovery document and kept for a while."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

_SECONDS_FRESH = 600.0
# Whoever sends made-up key ids must not make us ask the issuer each time.
_SECONDS_BETWEEN_READS = 10.0
_LARGEST = 1 << 20
_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)
# JWT-SVIDs are signed with keys of a use of their own.
# https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#4-spiffe-bundle-format
_USES = (None, "sig", "jwt-svid")


class IssuerUnavailable(Exception):
    """The keys of an issuer cannot be read, and none are known from before."""


class KeySet:
    """The keys that one issuer signs with.

    They are read again when they are older than ten minutes or when a token names a key that is
    not among them, at most every ten seconds. While the issuer is away the old ones hold.
    """

    def __init__(self, session: aiohttp.ClientSession, issuer: str, url: str | None) -> None:
        self._session = session
        self._issuer = issuer
        self._url = url
        self._keys: list[dict[str, Any]] = []
        self._read_at = -_SECONDS_FRESH
        self._tried_at = -_SECONDS_BETWEEN_READS
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None) -> Sequence[dict[str, Any]]:
        """Return the keys that a token may be signed with: those of its ``kid``, or all.

        Raises:
            IssuerUnavailable: no keys are known.

        """
        fresh = time.monotonic() - self._read_at < _SECONDS_FRESH
        if not (fresh and self._matching(kid)):
            async with self._lock:
                await self._refresh(kid)
        return self._matching(kid)

    def _matching(self, kid: str | None) -> list[dict[str, Any]]:
        return [key for key in self._keys if kid is None or key.get("kid") == kid]

    async def _refresh(self, kid: str | None) -> None:
        now = time.monotonic()
        if now - self._read_at < _SECONDS_FRESH and self._matching(kid):
            return
        if now - self._tried_at >= _SECONDS_BETWEEN_READS:
            self._tried_at = now
            try:
                self._keys = await self._read()
                self._read_at = now
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                reason = str(error) or type(error).__name__
                log.warning("the keys of issuer %s cannot be read: %s", self._issuer, reason)
        if not self._keys:
            raise IssuerUnavailable(self._issuer)

    async def _read(self) -> list[dict[str, Any]]:
        document = await self._get(self._url or await self._discover())
        keys = document.get("keys")
        if not isinstance(keys, list):
            raise ValueError("the key set has no keys")  # noqa: TRY004  # as other bad content
        usable = [key for key in keys if isinstance(key, dict) and key.get("use") in _USES]
        if not usable:
            raise ValueError("the key set has no key for signatures")
        return usable

    async def _discover(self) -> str:
        """Return where the issuer says its keys are.

        https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
        """
        where = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = await self._get(where)
        if document.get("issuer") != self._issuer:
            raise ValueError(f"{where} is of another issuer; compare KMODBOT_OIDC_ISSUERS with it")
        url = document.get("jwks_uri")
        # Keys that travel in the clear are as good as nobody's, unless the issuer is local too.
        allowed = {"https", URL(self._issuer).scheme}
        if not isinstance(url, str) or URL(url).scheme not in allowed:
            raise ValueError(f"{where} has no jwks_uri with https")
        return url

    async def _get(self, url: str) -> dict[str, Any]:
        async with self._session.get(url, timeout=_TIMEOUT, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"{url} answered {answer.status}")
            body = await answer.content.read(_LARGEST)
        document = json.loads(body)
        if not isinstance(document, dict):
            raise ValueError(f"{url} has no JSON object")  # noqa: TRY004  # as other bad content
        return document
