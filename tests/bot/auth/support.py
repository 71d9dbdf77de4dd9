"""An OpenID Connect issuer on localhost, and what the tests of callers share."""

from __future__ import annotations

import argparse
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
    """Hands out tokens and publishes the keys that prove them. ``reads`` counts readings."""

    url: str = ""
    key: Key = RSA_KEY
    kid: str = "first"
    algorithm: str = "RS256"
    use: str | None = "sig"
    up: bool = True
    reads: int = 0
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

    async def keys(self, request: web.Request) -> web.Response:
        """Answer with the public keys."""
        self.reads += 1
        use = {} if self.use is None else {"use": self.use}
        return self._answer({"keys": [public_jwk(self.key, self.kid, **use)]})

    def _answer(self, document: dict[str, Any]) -> web.Response:
        if not self.up:
            return web.Response(status=502)
        return web.Response(text=json.dumps(document), content_type="application/json")


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """Run an issuer over real HTTP."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer.describe)
    app.router.add_get("/keys", issuer.keys)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("")).rstrip("/")
        yield issuer
