"""API tokens: several, each with a name, of which only the SHA-256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.bot.auth.caller import ANONYMOUS, Caller, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

# Scanners for leaked secrets, and our own log, know a token by this.
PREFIX = "kmb_"
_BYTES = 32
_DIGEST = "sha256="
# A plain digest of what can be guessed is no secret.
_SHORTEST = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# Of those whom the bot names itself in the audit trail.
_TAKEN = frozenset({ANONYMOUS.name, "discovery"})
_HEX = re.compile(r"[0-9a-f]{64}")
_FORM = "expected name:role:sha256=64 hex digits, as `kmodbot token NAME` prints it"


@dataclass(frozen=True)
class ApiToken:
    """What is kept of a token: whose it is, and its SHA-256.

    A token is 256 random bits, so a plain digest cannot be turned back by guessing.
    """

    caller: Caller
    digest: bytes

    @classmethod
    def of(cls, token: str, name: str, role: Role = Role.NODE) -> ApiToken:
        """Return what is kept of a token."""
        return cls(Caller(parse_token_name(name), role), digest_of(token))

    def __str__(self) -> str:
        return f"{self.caller.name}:{self.caller.role}:{_DIGEST}{self.digest.hex()}"


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a token as it was sent."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def fingerprint(token: str) -> str | None:
    """Return the beginning of a token's SHA-256, by which an operator finds the entry that it had.

    None of what the bot has not made: a digest of what can be guessed gives it away.
    """
    made = token.startswith(PREFIX) and len(token) >= len(PREFIX) + _BYTES
    return digest_of(token).hex()[:12] if made else None


def new_token() -> str:
    """Return a token that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def parse_token_name(value: str) -> str:
    """Return the name of a token.

    Raises:
        ValueError: it has another form, or the bot calls somebody else so.

    """
    if not _NAME.fullmatch(value):
        raise ValueError("expected a name of small letters, digits, dots, dashes, at most 64")
    if value in _TAKEN:
        raise ValueError(f"expected a name other than {' and '.join(sorted(_TAKEN))}")
    return value


def parse_api_tokens(value: str) -> tuple[ApiToken, ...]:
    """Read tokens separated by commas: ``name:role:sha256=HEX``, or the bare token of a node.

    A bare token has at least 20 characters.

    Raises:
        ValueError: one has another form, a name has two roles, or a token stands there twice.
            Nothing of a token is quoted.

    """
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise ValueError("expected at least one token (several are separated by commas)")
    tokens = tuple(_parse(part, number) for number, part in enumerate(parts, 1))
    # One name may have several tokens: that is how one is replaced by another.
    roles = {token.caller.name: token.caller.role for token in tokens}
    for number, token in enumerate(tokens, 1):
        if token.caller.role is not roles[token.caller.name]:
            raise ValueError(f"entry {number}: {token.caller.name} has another role elsewhere")
    if len({token.digest for token in tokens}) < len(tokens):
        raise ValueError("the same token stands there twice")
    return tokens


def _parse(entry: str, number: int) -> ApiToken:
    if _DIGEST not in entry:
        if re.search(r"[:=\s]", entry) or len(entry) < _SHORTEST:
            raise ValueError(
                f"entry {number}: {_FORM}; a bare token has at least {_SHORTEST} characters, none "
                "of them a colon, an equals sign or a blank"
            )
        return ApiToken.of(entry, f"token-{number}")
    name, role, digest = (*entry.split(":"), "", "")[:3]
    hexadecimal = digest.removeprefix(_DIGEST)
    if entry.count(":") != 2 or not _HEX.fullmatch(hexadecimal) or role not in set(Role):
        raise ValueError(f"entry {number}: {_FORM}; roles are {' and '.join(Role)}")
    return ApiToken(Caller(parse_token_name(name), Role(role)), bytes.fromhex(hexadecimal))


def find_caller(token: str, tokens: Iterable[ApiToken]) -> Caller | None:
    """Return whose token this is, None when it is nobody's."""
    digest = digest_of(token)
    # Every token is compared, so that the time taken tells nothing about which one is near.
    matches = [known.caller for known in tokens if hmac.compare_digest(known.digest, digest)]
    return matches[0] if matches else None
