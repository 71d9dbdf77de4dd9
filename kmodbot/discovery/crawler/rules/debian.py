"""Debian: an entry's release is the *package* version with flavour and architecture behind it.

Tags in package versions: https://wiki.debian.org/Backports and
https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kmodbot.kernels import InvalidInput, distro_version_candidates
from kmodbot.kernels.releases import read_release
from kmodbot.kernels.releases.debian import series_versions

from ..headers import read_headers
from .answer import Answer, UnsupportedError, known_architecture, read_own

if TYPE_CHECKING:
    from ..entry import Entry

_NAME = re.compile(
    r"(?P<version>(?P<number>[0-9]+\.[0-9]+(?:\.[0-9]+)?)(?P<candidate>~rc[0-9]+)?"
    r"-(?P<revision>[0-9][0-9A-Za-z.+~]*))"
    r"-(?P<flavour>(?:[a-z][a-z0-9]*-)*)(?P<arch>[a-z0-9]+)"
)
# What Debian itself appends: rebuilds by its own machines, stable updates, backports, uploads to
# experimental, and for a while the patches of grsecurity.
_REVISION = re.compile(
    r"[0-9]+(?:\.[0-9]+)*"
    r"(?:\+b[0-9]+|[+~]deb[0-9]+u[0-9]+|~bpo[0-9]+\+[0-9]+|~exp[0-9.]*|~rc[0-9]+"
    r"|\+grsecunoff[0-9]+)*"
)
# No package version looks like these: the tag stands before the dash, or the number ends in 0.
_RELEASE = re.compile(
    r"[0-9]+\.[0-9]+\.(?:[0-9]+\+deb[0-9]+(?:\+[0-9]+)?|0-[0-9][0-9a-z.]*)-[a-z].*"
)
_FLAVOURS = re.compile(r"-(?:[a-z][a-z0-9]*-)+(?=(?:amd64|arm64)(?:-16k)?\Z)")
_FLAVOUR = re.compile(r".*(?:[0-9]|\+bpo)-((?:[a-z][a-z0-9]*-)*)[a-z0-9]+")
_LATE = re.compile(r"~([a-z]+)([0-9]*)[^~]*$")
_STABLE_UPDATE = re.compile(r"\+deb([0-9]+)u[0-9]+")
_IN_RELEASE = re.compile(r"\+deb([0-9]+)[+-]")
_FIRST_UPLOAD = re.compile(r"1(?:~bpo[0-9]+\+1)?")
# Since this one, in Debian 13 and its backport to 12, a release is made of number and tag.
_TAGGED_SINCE = (6, 12, 38)
_REBUILD = "a rebuild by others, not a kernel of debian"
_NO_SERIES = "a series no Debian release was born with, so of testing or unstable"


def read(entry: Entry) -> Answer:
    """Return what a Debian entry is; UnsupportedError when it is of no Debian release."""
    if _RELEASE.fullmatch(entry.kernelrelease):
        return _of_release(entry.kernelrelease)
    match = _NAME.fullmatch(entry.kernelrelease)
    if match is None:
        detail = f"{entry.kernelrelease[:80]!a} is not of the form VERSION-REVISION-ARCHITECTURE"
        raise UnsupportedError("not a package version of debian", detail)
    if not _REVISION.fullmatch(match["revision"]):
        raise UnsupportedError(_REBUILD, f"{_REBUILD}: its revision is {match['revision'][:40]!a}")
    architecture = known_architecture(match["arch"])
    if architecture is None:
        raise UnsupportedError("an architecture that is not supported", f"{match['arch']} is none")
    releases = _releases(entry, match)
    version = _version(match, releases)
    _require_own(releases)
    if not releases:
        releases = _composed(match, version)
    alone = distro_version_candidates("debian", releases[0]) if releases else ()
    return Answer((version,), releases, architecture, alone=alone)


def _of_release(release: str) -> Answer:
    """Return what an entry is that is named like its kernel release."""
    reading = read_own("debian", release)
    if not reading.candidates:
        raise UnsupportedError(_NO_SERIES, f"{release} is of testing or unstable")
    (architecture,) = reading.architectures
    return Answer(reading.candidates, (release,), architecture)


def _releases(entry: Entry, match: re.Match[str]) -> tuple[str, ...]:
    """Return the kernel releases of the headers, that of the entry's own flavour first."""
    headers = [
        header for header in read_headers(entry.headers) if header.architecture == match["arch"]
    ]
    same = [header for header in headers if header.version == match["version"]]
    names = [header.release for header in same or headers]
    return tuple(
        sorted(names, key=lambda name: (_flavour(name) != match["flavour"], len(name), name))
    )


def _require_own(releases: tuple[str, ...]) -> None:
    """Refuse an entry whose headers are of a release that Debian, whatever flavour, never had."""
    for release in releases:
        try:
            read_release("debian", _FLAVOURS.sub("-", release))
        except InvalidInput:
            detail = f"{_REBUILD}: its headers are of {release[:60]!a}"
            raise UnsupportedError(_REBUILD, detail) from None


def _flavour(release: str) -> str:
    match = _FLAVOUR.fullmatch(release)
    return match[1] if match else ""


def _version(match: re.Match[str], releases: tuple[str, ...]) -> str:
    """Return the distro version; the order of the steps is that of their certainty."""
    revision = match["revision"]
    late = _LATE.search(revision)
    if match["candidate"] or (late and late[1] in ("exp", "rc")):
        raise UnsupportedError("an upload to Debian experimental, of no release")
    if late and late[1] in ("bpo", "deb") and late[2]:
        return late[2]
    update = _STABLE_UPDATE.search(revision)
    if update:
        return update[1]
    for release in releases:
        tag = _IN_RELEASE.search(release)
        if tag:
            return tag[1]
    series = series_versions(match["number"])
    if not series:
        raise UnsupportedError(
            _NO_SERIES,
            f"no Debian release was born with {match['number']}: of testing or unstable",
        )
    return series[0]


def _composed(match: re.Match[str], version: str) -> tuple[str, ...]:
    """Return the kernel release of a package without headers, where its version implies it.

    Only the first upload of a number does: a later one gets a suffix or, before the tags, an ABI
    number that the package version does not hold.
    """
    numbers = tuple(int(part) for part in match["number"].split("."))
    if numbers < _TAGGED_SINCE or not _FIRST_UPLOAD.fullmatch(match["revision"]):
        return ()
    return (f"{match['number']}+deb{version}-{match['flavour']}{match['arch']}",)
