"""The driver that is built, and the other names that come from outside."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InvalidInput, show

_LONGEST = 64
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VERSION = re.compile(r"v?[0-9]+(?:\.[0-9]+){1,3}(?:-[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)*)?")
_BUILD_ID = re.compile(r"[a-z0-9]{4,64}")
# https://docs.github.com/en/rest/repos/repos names neither rule; these are what GitHub's own
# forms accept: 39 characters for an owner, 100 for a repository.
_REPOSITORY = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}", re.ASCII
)


@dataclass(frozen=True)
class Driver:
    """A driver's name and version, the version being the git tag its source is found at."""

    name: str
    version: str

    @classmethod
    def parse(cls, name: str, version: str) -> Driver:
        """Return the driver; ``InvalidInput`` names ``driver`` or ``driver_version``."""
        return cls(parse_driver_name(name), parse_driver_version(version))


def parse_driver_name(value: str) -> str:
    """Return a driver's name: small letters, digits and single dashes, at most 64 of them."""
    if len(value) > _LONGEST or not _NAME.fullmatch(value):
        expected = "expected small letters, digits and single dashes, at most 64, for example hello"
        raise InvalidInput("driver", f"{expected}; got {show(value)}")
    return value


def parse_driver_version(value: str) -> str:
    """Return a driver version: ``v0.1.0``, ``1.2`` or ``v1.0.0-rc.1``, at most 64 characters."""
    # A version is also a git tag, and git keeps names that end in .lock for itself:
    # https://git-scm.com/docs/git-check-ref-format
    fits = _VERSION.fullmatch(value) if len(value) <= _LONGEST else None
    if not fits or value.endswith(".lock"):
        expected = "expected two to four numbers, for example v0.1.0 or v1.0.0-rc.1"
        raise InvalidInput("driver_version", f"{expected}; got {show(value)}")
    return value


def parse_build_id(value: str) -> str:
    """Return a build id: 4 to 64 small letters and digits."""
    if len(value) > _LONGEST or not _BUILD_ID.fullmatch(value):
        expected = "expected 4 to 64 small letters and digits"
        raise InvalidInput("build_id", f"{expected}, got {show(value)}")
    return value


def parse_repository(value: str) -> str:
    """Return a GitHub repository as ``owner/name``."""
    if len(value) > 2 * _LONGEST + 12 or not _REPOSITORY.fullmatch(value):
        expected = "expected owner/name, for example acme/hello-driver"
        raise InvalidInput("repository", f"{expected}; got {show(value)}")
    return value
