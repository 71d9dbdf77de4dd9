"""Whose tokens are accepted, as the environment has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.bot.addresses import safe_url
from kmodbot.bot.auth.issuers import IssuerSettings

if TYPE_CHECKING:
    from kmodbot.bot.variables import Variables

_NOTHING: tuple[str, ...] = ()
_WHOSE = (
    "with several issuers, begin each pattern with one of KMODBOT_OIDC_ISSUERS and #, such as "
    "{issuer}#system:serviceaccount:drivers:*"
)
_issuer = safe_url("https://issuer.example.com")
_keys_url = safe_url("https://issuer.example.com/keys")


def read_issuers(read: Variables) -> IssuerSettings:
    """Read the variables about issuers; every other one needs the issuers."""
    issuers = read("KMODBOT_OIDC_ISSUERS", _issuers, _NOTHING) or _NOTHING
    if not read.has("KMODBOT_OIDC_ISSUERS"):
        _need_issuers(read)
        return IssuerSettings()
    what = " to what aud of the tokens must hold, such as kmodbot"
    audiences = read("KMODBOT_OIDC_AUDIENCE", words, None, what) or _NOTHING
    keys_url = read("KMODBOT_OIDC_JWKS_URL", _keys_url, "") or None
    subjects = read("KMODBOT_OIDC_SUBJECTS", words, _NOTHING) or _NOTHING
    operators = read("KMODBOT_OIDC_OPERATORS", words, _NOTHING) or _NOTHING
    if keys_url and len(issuers) > 1:
        read.problems.append(
            "KMODBOT_OIDC_JWKS_URL: expected a single issuer in KMODBOT_OIDC_ISSUERS, whose keys "
            "these are; leave it out, and those of each are found"
        )
    settings = IssuerSettings(issuers, audiences, keys_url, subjects, operators)
    for name, patterns in (
        ("KMODBOT_OIDC_SUBJECTS", subjects),
        ("KMODBOT_OIDC_OPERATORS", operators),
    ):
        if not settings.are_of_one_issuer(patterns):
            read.problems.append(f"{name}: {_WHOSE.format(issuer=issuers[0])}")
    return settings


def words(value: str) -> tuple[str, ...]:
    """Read values separated by commas.

    Raises:
        ValueError: there is none.

    """
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not found:
        raise ValueError("expected at least one value (several are separated by commas)")
    return found


def _need_issuers(read: Variables) -> None:
    for name in (
        "KMODBOT_OIDC_AUDIENCE",
        "KMODBOT_OIDC_JWKS_URL",
        "KMODBOT_OIDC_SUBJECTS",
        "KMODBOT_OIDC_OPERATORS",
    ):
        if read.has(name):
            read.problems.append(
                f"{name} says nothing without KMODBOT_OIDC_ISSUERS: set that too, such as "
                "https://issuer.example.com, or leave both out"
            )


def _issuers(value: str) -> tuple[str, ...]:
    # Kept as they are: an issuer is compared letter by letter.
    return tuple(_issuer(word) for word in words(value))
