"""Tokens of an OpenID Connect issuer: what is believed, and what is not."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kmodbot.bot.auth import keysets
from kmodbot.bot.auth.caller import Caller, Role
from kmodbot.bot.auth.issuers import Issuers, IssuerSettings, NotAccepted, NotAllowed
from kmodbot.bot.auth.keysets import IssuerUnavailable
from tests.bot.auth.support import AUDIENCE, NODE, Issuer, running_issuer
from tests.bot.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SPIFFE_NODE = "spiffe://example.org/node/n1"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as issuer:
        yield issuer


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def issuers(issuer: Issuer, session: aiohttp.ClientSession) -> Issuers:
    return Issuers(session, IssuerSettings((issuer.url,), (AUDIENCE,)))


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys be read again at once."""
    monkeypatch.setattr(keysets, "_SECONDS_BETWEEN_READS", 0.0)


async def test_a_service_account_is_known_by_its_subject(issuer: Issuer, issuers: Issuers) -> None:
    assert await issuers.caller(issuer.token()) == Caller(f"{issuer.url}#{NODE}", Role.NODE)


async def test_the_keys_are_read_once_for_many_tokens(issuer: Issuer, issuers: Issuers) -> None:
    for number in range(5):
        await issuers.caller(issuer.token(jti=str(number)))

    assert issuer.reads == 1


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (None, "RS512"),
        (None, "PS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
)
async def test_signatures_that_a_public_key_checks_are_accepted(
    issuer: Issuer, issuers: Issuers, key: Any, algorithm: str
) -> None:
    issuer.key, issuer.algorithm = key or issuer.key, algorithm

    assert (await issuers.caller(issuer.token())).name == f"{issuer.url}#{NODE}"


async def test_a_spiffe_identity_is_known_by_its_id(issuer: Issuer, issuers: Issuers) -> None:
    issuer.use = "jwt-svid"

    caller = await issuers.caller(issuer.token(sub=SPIFFE_NODE, aud=AUDIENCE))

    assert caller.name == f"{issuer.url}#{SPIFFE_NODE}"


async def test_a_spiffe_identity_needs_no_issuer_in_it(issuer: Issuer, issuers: Issuers) -> None:
    issuer.use = "jwt-svid"

    caller = await issuers.caller(issuer.token(sub=SPIFFE_NODE, iss=None))

    assert caller.name == f"{issuer.url}#{SPIFFE_NODE}"


async def test_the_keys_may_be_at_a_configured_address(
    issuer: Issuer, session: aiohttp.ClientSession
) -> None:
    issuer.discovery = {"jwks_uri": None}
    settings = IssuerSettings((issuer.url,), (AUDIENCE,), f"{issuer.url}/keys")

    assert (await Issuers(session, settings).caller(issuer.token())).name == f"{issuer.url}#{NODE}"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "must have"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"aud": "another"}, "KMODBOT_OIDC_AUDIENCE"),
        ({"aud": None}, "must have"),
        ({"sub": None}, "must have"),
        ({"sub": ""}, "sub is empty"),
        ({"sub": "a\nb"}, "not printable"),
        ({"sub": "x" * 300}, "too long"),
        ({"sub": 7}, "wrong form"),
        ({"iss": "https://issuer.example"}, "KMODBOT_OIDC_ISSUERS"),
        ({"iss": None}, "KMODBOT_OIDC_ISSUERS"),
        ({"iss": ["x"]}, "KMODBOT_OIDC_ISSUERS"),
    ],
)
async def test_a_claim_that_does_not_hold_is_named(
    issuer: Issuer, issuers: Issuers, claims: dict[str, Any], reason: str
) -> None:
    if not isinstance(claims.get("iss", ""), str | None) or claims.get("sub") == 7:
        token = sign_raw(issuer, claims)
    else:
        token = issuer.token(**claims)

    with pytest.raises(NotAccepted, match=reason):
        await issuers.caller(token)


async def test_a_token_of_another_key_is_refused(issuer: Issuer, issuers: Issuers) -> None:
    genuine = issuer.token()
    issuer.key = STRANGER
    forged = issuer.token()
    issuer.key = Issuer.key

    assert (await issuers.caller(genuine)).name == f"{issuer.url}#{NODE}"
    with pytest.raises(NotAccepted, match="signature"):
        await issuers.caller(forged)


async def test_a_public_key_is_no_shared_secret(issuer: Issuer, issuers: Issuers) -> None:
    """The oldest trick: a token signed with HMAC, the public key as its secret."""
    public = Issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = encoded(b'{"alg":"HS256","typ":"JWT","kid":"first"}')
    signed = f"{head}.{issuer.token().split('.')[1]}"
    forged = f"{signed}.{encoded(hmac.digest(public, signed.encode(), 'sha256'))}"

    with pytest.raises(NotAccepted, match="must be signed with"):
        await issuers.caller(forged)


async def test_an_unsigned_token_is_refused(issuer: Issuer, issuers: Issuers) -> None:
    head, body, _ = issuer.token().split(".")
    none = encoded(b'{"alg":"none","typ":"JWT"}')

    for forged in (f"{none}.{body}.", f"{head}.{body}."):
        with pytest.raises(NotAccepted):
            await issuers.caller(forged)


async def test_a_key_is_used_with_its_own_algorithm_only(
    issuer: Issuer, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuers = Issuers(session, IssuerSettings((issuer.url,), (AUDIENCE,)))
    find = keysets.KeySet.find

    async def with_algorithm(self: keysets.KeySet, kid: str | None) -> Any:
        return [{**key, "alg": "RS256"} for key in await find(self, kid)]

    monkeypatch.setattr(keysets.KeySet, "find", with_algorithm)
    issuer.algorithm = "RS384"

    with pytest.raises(NotAccepted, match="do not fit"):
        await issuers.caller(issuer.token())


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJ.eyJ.x", "é.ü.ö", "\udcff.x.y"])
async def test_what_is_no_token_is_refused(issuers: Issuers, token: str) -> None:
    with pytest.raises(NotAccepted, match="no JSON Web Token"):
        await issuers.caller(token)


async def test_a_huge_token_is_refused_unread(issuer: Issuer, issuers: Issuers) -> None:
    with pytest.raises(NotAccepted, match="longer than"):
        await issuers.caller(issuer.token(padding="x" * 20_000))


async def test_only_subjects_that_fit_a_pattern_may_ask(
    issuer: Issuer, session: aiohttp.ClientSession
) -> None:
    settings = IssuerSettings(
        (issuer.url,),
        (AUDIENCE,),
        subjects=("system:serviceaccount:drivers:*",),
        operators=("system:serviceaccount:ops:admin",),
    )
    issuers = Issuers(session, settings)
    admin = "system:serviceaccount:ops:admin"

    assert (await issuers.caller(issuer.token())).role is Role.NODE
    assert (await issuers.caller(issuer.token(sub=admin))).role is Role.OPERATOR
    with pytest.raises(NotAllowed, match="KMODBOT_OIDC_SUBJECTS"):
        await issuers.caller(issuer.token(sub="system:serviceaccount:other:loader"))


async def test_an_issuer_makes_no_operators_of_another(
    issuer: Issuer, session: aiohttp.ClientSession
) -> None:
    admin = "system:serviceaccount:ops:admin"
    async with running_issuer() as other:
        settings = IssuerSettings(
            (issuer.url, other.url), (AUDIENCE,), operators=(f"{issuer.url}#{admin}",)
        )
        issuers = Issuers(session, settings)

        genuine = await issuers.caller(issuer.token(sub=admin))
        namesake = await issuers.caller(other.token(sub=admin))

    assert genuine == Caller(f"{issuer.url}#{admin}", Role.OPERATOR)
    assert namesake == Caller(f"{other.url}#{admin}", Role.NODE)


async def test_a_pattern_that_names_no_issuer_fits_nobody_of_several(
    issuer: Issuer, session: aiohttp.ClientSession
) -> None:
    both = (issuer.url, "https://other.example")
    issuers = Issuers(session, IssuerSettings(both, (AUDIENCE,), subjects=("*",)))

    with pytest.raises(NotAllowed):
        await issuers.caller(issuer.token())


class TestKeys:
    @pytest.mark.usefixtures("no_pause")
    async def test_a_new_key_is_found_without_a_restart(
        self, issuer: Issuer, issuers: Issuers
    ) -> None:
        await issuers.caller(issuer.token())
        issuer.key, issuer.kid = STRANGER, "second"

        assert (await issuers.caller(issuer.token())).name == f"{issuer.url}#{NODE}"

    async def test_made_up_key_ids_do_not_reach_the_issuer(
        self, issuer: Issuer, issuers: Issuers
    ) -> None:
        for number in range(20):
            with pytest.raises(NotAccepted, match="names no key"):
                await issuers.caller(issuer.token(headers={"kid": f"made-up-{number}"}))

        assert issuer.reads == 1

    async def test_a_token_without_key_id_needs_an_issuer_with_one_key(
        self, issuer: Issuer, issuers: Issuers
    ) -> None:
        claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": NODE, "exp": int(time.time()) + 60}
        token = jwt.encode(claims, Issuer.key, "RS256")

        assert (await issuers.caller(token)).name == f"{issuer.url}#{NODE}"

    @pytest.mark.usefixtures("no_pause")
    async def test_old_keys_hold_while_the_issuer_is_away(
        self, issuer: Issuer, issuers: Issuers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await issuers.caller(issuer.token())
        issuer.up = False
        monkeypatch.setattr(keysets, "_SECONDS_FRESH", 0.0)

        assert (await issuers.caller(issuer.token(jti="another"))).name == f"{issuer.url}#{NODE}"

    @pytest.mark.usefixtures("no_pause")
    async def test_old_keys_do_not_hold_for_ever(
        self, issuer: Issuer, issuers: Issuers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await issuers.caller(issuer.token())
        issuer.up = False
        monkeypatch.setattr(keysets, "_SECONDS_STALE", 0.0)

        with pytest.raises(IssuerUnavailable):
            await issuers.caller(issuer.token(jti="another"))

    @pytest.mark.usefixtures("no_pause")
    async def test_nobody_waits_while_known_keys_are_read_again(
        self, issuer: Issuer, issuers: Issuers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await issuers.caller(issuer.token())
        monkeypatch.setattr(keysets, "_SECONDS_FRESH", 0.0)
        issuer.may_answer.clear()

        for number in range(3):
            assert (await issuers.caller(issuer.token(jti=str(number)))).role is Role.NODE
        await eventually(lambda: issuer.reads == 2)
        issuer.may_answer.set()

    async def test_keys_that_arrive_in_pieces_are_read_to_the_end(
        self, issuer: Issuer, issuers: Issuers
    ) -> None:
        issuer.pieces = True

        assert (await issuers.caller(issuer.token())).role is Role.NODE

    @pytest.mark.parametrize(
        "padding", [b" " * (1 << 20), b"[" * 100_000], ids=["too large", "too deep"]
    )
    async def test_keys_that_no_issuer_would_send_are_not_read(
        self, issuer: Issuer, issuers: Issuers, padding: bytes
    ) -> None:
        issuer.padding = padding

        with pytest.raises(IssuerUnavailable):
            await issuers.caller(issuer.token())

    async def test_without_any_key_nothing_can_be_said(
        self, issuer: Issuer, issuers: Issuers
    ) -> None:
        issuer.up = False

        with pytest.raises(IssuerUnavailable):
            await issuers.caller(issuer.token())

    @pytest.mark.parametrize(
        "discovery",
        [
            {"issuer": "https://another.example"},
            {"jwks_uri": "ftp://127.0.0.1/keys"},
            {"jwks_uri": None},
        ],
    )
    async def test_a_discovery_document_that_does_not_fit_is_not_believed(
        self, issuer: Issuer, issuers: Issuers, discovery: dict[str, Any]
    ) -> None:
        issuer.discovery = discovery

        with pytest.raises(IssuerUnavailable):
            await issuers.caller(issuer.token())
        assert issuer.reads == 0


def encoded(part: bytes) -> str:
    """Return one part of a token."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def sign_raw(issuer: Issuer, claims: dict[str, Any]) -> str:
    """Sign claims that the encoder of a careful library would not take."""
    usual = {"iss": issuer.url, "aud": AUDIENCE, "sub": NODE, "exp": int(time.time()) + 60}
    payload = json.dumps(usual | claims).encode()
    return jwt.PyJWS().encode(payload, Issuer.key, "RS256", {"kid": issuer.kid})
