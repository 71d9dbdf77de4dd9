"""An OpenID Connect issuer on localhost, and what the tests of callers share."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import ModuleType

AUDIENCE = "kmodbot"
NODE = "system:serviceaccount:drivers:loader"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def run_command(module: ModuleType, *words: str) -> int:
    """Run a command as ``kmodbot`` does; return its exit status."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    status: int = module.run(parser.parse_args(words))
    return status


def public_jwk(key: Key, kid: str, **more: Any) -> dict[str, Any]:
    """Return the public half of a key as a JWKS holds it."""
    algorithms = jwt.algorithms.get_default_algorithms()
    name = {rsa.RSAPrivateKey: "RS256", ed25519.Ed25519PrivateKey: "EdDSA"}
    algorithm = next((n for kind, n in name.items() if isinstance(key, kind)), "ES256")
    made: dict[str, Any] = algorithms[algorithm].to_jwk(key.public_key(), as_dict=True)
    # What a key may be used for is said by its set, where at all.
    made.pop("key_ops", None)
    return {**made, "kid": kid, **more}


@dataclass
class Issuer:
    """Hands out tokens and publishes the keys that prove them. ``reads`` counts readings.

    The keys are sent when ``may_answer``, with ``padding`` in front, and in pieces if ``pieces``.
    """

    url: str = ""
    key: Key = RSA_KEY
    kid: str = "first"
    algorithm: str = "RS256"
    use: str | None = "sig"
    up: bool = True
    reads: int = 0
    padding: bytes = b""
    pieces: bool = False
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    discovery: dict[str, Any] = field(default_factory=dict)

    def token(self, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token of a node; claims that are None are left out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": [AUDIENCE], "sub": NODE, "exp": now + 600, "iat": now}
        chosen = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(chosen, self.key, self.algorithm, {"kid": self.kid} | (headers or {}))

    async def describe(self, request: web.Request) -> web.Response:
        """Answer with the discovery document."""
        return self._answer({"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.discovery)

    async def keys(self, request: web.Request) -> web.StreamResponse:
        """Answer with the public keys."""
        self.reads += 1
        await self.may_answer.wait()
        use = {} if self.use is None else {"use": self.use}
        whole = self._answer({"keys": [public_jwk(self.key, self.kid, **use)]})
        if not self.up or not (self.pieces or self.padding):
            return whole
        return await self._in_pieces(request, self.padding + str(whole.text).encode())

    async def _in_pieces(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Send a body so that it arrives in several reads."""
        answer = web.StreamResponse()
        await answer.prepare(request)
        middle = len(body) // 2
        for piece in (body[:middle], body[middle:]):
            await answer.write(piece)
            # Lets the reader, in the same loop, take up what it got.
            for _ in range(20):
                await asyncio.sleep(0)
        await answer.write_eof()
        return answer

    def _answer(self, document: dict[str, Any]) -> web.Response:
        if not self.up:
            return web.Response(status=502)
        return web.Response(text=json.dumps(document), content_type="application/json")


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """Run an issuer over real HTTP."""
    issuer = Issuer()
    issuer.may_answer.set()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.describe)
    app.router.add_get("/keys", issuer.keys)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("")).rstrip("/")
        yield issuer
