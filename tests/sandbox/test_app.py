"""The App proves itself with a JWT and gets tokens that can do no more than it may."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .support import HELLO, Client, app_jwt, got, mint, refused

if TYPE_CHECKING:
    from kmodbot.sandbox import Sandbox

    from .support import Clock


async def test_the_app_sees_itself_with_a_jwt(app: Client, github: Sandbox) -> None:
    shown = await got(app.apps.async_get_authenticated())
    assert shown is not None
    assert str(shown.id) == github.app_id
    assert shown.events == ["pull_request", "push", "release", "workflow_run"]


async def test_the_client_id_is_as_good_an_issuer_as_the_app_id(
    app: Client, github: Sandbox
) -> None:
    shown = await got(app.apps.async_get_authenticated())
    assert shown is not None
    other = Client(github, app_jwt(github, iss=str(shown.client_id)))
    await other.apps.async_get_authenticated()


async def test_the_installation_is_found_by_repository_and_in_the_list(app: Client) -> None:
    found = await got(app.apps.async_get_repo_installation(*HELLO))
    listed = await got(app.apps.async_list_installations())
    assert [installation.id for installation in listed] == [found.id]


async def test_another_repository_has_no_installation(app: Client) -> None:
    refusal = await refused(app.apps.async_get_repo_installation("acme", "other"))
    assert refusal.status == 404


@pytest.mark.parametrize(
    ("claim", "ahead", "says"),
    [
        ("exp", -1, "'Expiration time' claim ('exp') must be"),
        ("exp", 3600, "('exp') is too far in the future"),
        ("exp", None, "'Expiration time' claim ('exp') must be"),
        ("iat", 300, "'Issued at' claim ('iat') must be"),
        ("iat", None, "'Issued at' claim ('iat') must be"),
    ],
)
async def test_a_jwt_outside_its_time_is_refused(
    github: Sandbox, claim: str, ahead: int | None, says: str
) -> None:
    value = None if ahead is None else int(time.time()) + ahead
    late = Client(github, app_jwt(github, **{claim: value}))
    refusal = await refused(late.apps.async_get_authenticated())
    assert refusal.status == 401
    assert says in refusal.message


async def test_a_jwt_signed_with_another_key_is_refused(github: Sandbox) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(app_jwt(github), options={"verify_signature": False})
    forged = Client(github, jwt.encode(claims, stranger, algorithm="RS256"))
    refusal = await refused(forged.apps.async_get_authenticated())
    assert (refusal.status, refusal.message) == (401, "A JSON web token could not be decoded")


async def test_a_jwt_of_another_app_is_refused(github: Sandbox) -> None:
    other = Client(github, app_jwt(github, iss="1"))
    refusal = await refused(other.apps.async_get_authenticated())
    assert (refusal.status, refusal.message) == (404, "Integration not found")


async def test_an_installation_token_is_no_jwt(bot: Client) -> None:
    refusal = await refused(bot.apps.async_get_authenticated())
    assert refusal.status == 401


async def test_a_token_can_do_what_the_app_may_when_nothing_else_is_asked(
    app: Client,
) -> None:
    token = await got(app.apps.async_create_installation_access_token(300001))
    shown = token.model_dump(exclude_unset=True)
    assert shown["permissions"] == {
        "actions": "write",
        "contents": "write",
        "metadata": "read",
        "pull_requests": "write",
    }


async def test_a_token_is_long_and_lives_for_an_hour(app: Client, clock: Clock) -> None:
    token = await got(app.apps.async_create_installation_access_token(300001))
    assert token.token.startswith("ghs_")
    assert 450 < len(token.token) < 600
    expires = datetime.fromisoformat(token.expires_at)
    assert timedelta(minutes=59) < expires - clock() <= timedelta(hours=1)


async def test_a_token_cannot_exceed_the_grant(app: Client) -> None:
    apps = app.apps
    refusal = await refused(
        apps.async_create_installation_access_token(
            300001, data={"permissions": {"administration": "write"}}
        )
    )
    assert refusal.status == 422
    assert refusal.message.startswith("The permissions requested are not granted")


async def test_a_token_for_a_repository_elsewhere_is_refused(app: Client) -> None:
    apps = app.apps
    refusal = await refused(
        apps.async_create_installation_access_token(300001, data={"repositories": ["other"]})
    )
    assert refusal.status == 422


async def test_a_token_for_one_repository_names_it(app: Client) -> None:
    token = await got(
        app.apps.async_create_installation_access_token(
            300001, data={"repositories": ["hello-driver"]}
        )
    )
    assert [repository.name for repository in token.repositories or []] == ["hello-driver"]


async def test_an_unknown_installation_gives_no_token(app: Client) -> None:
    refusal = await refused(app.apps.async_create_installation_access_token(1))
    assert refusal.status == 404


async def test_an_expired_token_is_worth_nothing(bot: Client, clock: Clock) -> None:
    await bot.repos.async_get(*HELLO)
    clock.ahead = timedelta(hours=1)
    refusal = await refused(bot.repos.async_get(*HELLO))
    assert (refusal.status, refusal.message) == (401, "Bad credentials")


async def test_an_invented_token_is_worth_nothing(github: Sandbox) -> None:
    stranger = Client(github, "ghs_invented")
    refusal = await refused(stranger.repos.async_get(*HELLO))
    assert refusal.status == 401


async def test_two_tokens_are_never_the_same(github: Sandbox) -> None:
    assert await mint(github) != await mint(github)
