"""The public keys of an issuer, found by its discovery document and kept for a while."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

_SECONDS_FRESH = 600.0
# A key that its issuer withdrew while nobody could read that is not believed for ever.
_SECONDS_STALE = 86400.0
# Whoever sends made-up key ids must not make us ask the issuer each time.
_SECONDS_BETWEEN_READS = 10.0
_LARGEST = 1 << 20
_PIECE = 1 << 16
_TIMEOUT = aiohttp.ClientTimeout(total=10, sock_connect=5)
# JWT-SVIDs are signed with keys of a use of their own.
# https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#4-spiffe-bundle-format
_USES = (None, "sig", "jwt-svid")


class IssuerUnavailable(Exception):
    """The keys of an issuer cannot be read, and none are known from before."""


class KeySet:
    """The keys that one issuer signs with.

    They are read again when they are older than ten minutes or when a token names a key that is
    not among them, at most every ten seconds. Nobody waits for that whose key is known, and while
    the issuer is away the old ones hold for a day.
    """

    def __init__(self, session: aiohttp.ClientSession, issuer: str, url: str | None) -> None:
        self._session = session
        self._issuer = issuer
        self._url = url
        self._keys: list[dict[str, Any]] = []
        self._read_at = -math.inf
        self._tried_at = -math.inf
        self._lock = asyncio.Lock()
        self._behind: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> Sequence[dict[str, Any]]:
        """Return the keys that a token may be signed with: those of its ``kid``, or all.

        Raises:
            IssuerUnavailable: no keys are known.

        """
        matching = self._matching(kid)
        if not matching:
            async with self._lock:
                await self._refresh(kid)
            return self._matching(kid)
        if self._age >= _SECONDS_FRESH and (self._behind is None or self._behind.done()):
            self._behind = asyncio.create_task(self._read_again())
        return matching

    @property
    def _age(self) -> float:
        return time.monotonic() - self._read_at

    def _matching(self, kid: str | None) -> list[dict[str, Any]]:
        known = self._keys if self._age < _SECONDS_STALE else []
        return [key for key in known if kid is None or key.get("kid") == kid]

    async def _refresh(self, kid: str | None) -> None:
        # Somebody else may have read them while this caller waited for its turn.
        if not self._matching(kid):
            await self._try_to_read()
        if not self._matching(None):
            raise IssuerUnavailable(self._issuer)

    async def _read_again(self) -> None:
        async with self._lock:
            if self._age >= _SECONDS_FRESH:
                await self._try_to_read()

    async def _try_to_read(self) -> None:
        now = time.monotonic()
        if now - self._tried_at < _SECONDS_BETWEEN_READS:
            return
        self._tried_at = now
        try:
            self._keys = await self._read()
            self._read_at = now
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            reason = str(error) or type(error).__name__
            log.warning("the keys of issuer %s cannot be read: %s", self._issuer, reason)

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
            body = bytearray()
            # A single read ends wherever the network has cut the answer.
            async for piece in answer.content.iter_chunked(_PIECE):
                body += piece
                if len(body) > _LARGEST:
                    raise ValueError(f"{url} sent more than {_LARGEST} bytes")
        document = json.loads(body)
        if not isinstance(document, dict):
            raise ValueError(f"{url} has no JSON object")  # noqa: TRY004  # as other bad content
        return document
