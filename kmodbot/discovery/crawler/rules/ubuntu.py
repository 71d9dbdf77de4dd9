"""Ubuntu: an entry's release ends in the *source package's* word, not in the kernel's flavour.

How sources and flavours relate: https://wiki.ubuntu.com/Kernel/Dev/KernelDependenciesOverview
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..headers import read_headers
from .answer import Answer, UnsupportedError, known_architecture, read_own

if TYPE_CHECKING:
    from ..entry import Entry
    from ..headers import Header

_NAME = re.compile(r"([0-9]+\.[0-9]+\.[0-9]+-[0-9]+)-([a-z][a-z0-9]*(?:-[a-z0-9.]+)*)")
_TAG = re.compile(r"~([0-9]{2}\.(?:04|10))(?![0-9])")
_SERIES = re.compile(r"-[0-9]+\.[0-9]+$")
_LTS = re.compile(r"[0-9][02468]\.04")
#: What only LTS releases get, from a newer version's kernel.
_BACKPORTS = ("hwe", "lts", "edge")
#: What is made for LTS releases only, often without a tag.
_MADE_FOR_LTS = ("oem", "intel", "nvidia")
#: Source packages that every version has, with the series it was born with.
_OF_EVERY_VERSION = ("", "generic", "lowlatency")
#: Of the versions in between, the one whose series the LTS has never received without a tag.
_NEVER_WITHOUT_TAG = ("25.10",)
# The clouds of 18.04 moved on from the series it was born with and kept that under the longer name;
# since then the longer name is always of the older LTS.
_KEPT_BY_ITS_OWN = "4.15"


def read(entry: Entry) -> Answer:
    """Return what an Ubuntu entry is; UnsupportedError when that cannot be known."""
    match = _NAME.fullmatch(entry.kernelrelease)
    if match is None:
        detail = f"{entry.kernelrelease[:80]!a} is not of the form X.Y.Z-ABI-WORD"
        raise UnsupportedError("not a kernel release of ubuntu", detail)
    headers = read_headers(entry.headers)
    releases = _releases(match, headers)
    reading = read_own("ubuntu", releases[0])
    architectures = {known_architecture(header.architecture) for header in headers}
    if len(reading.architectures) == 1:
        architectures = set(reading.architectures)
    architecture = architectures.pop() if len(architectures) == 1 else None
    versions = _tagged(entry, headers) or _untagged(entry, match[2], headers, reading.candidates)
    return Answer(versions, releases, architecture, alone=reading.candidates)


def _releases(match: re.Match[str], headers: list[Header]) -> tuple[str, ...]:
    """Return the kernel releases, that of the entry's own flavour first."""
    own = f"{match[1]}-{_flavour(match[2])}"
    names = {header.release for header in headers} or {own}
    return tuple(sorted(names, key=lambda name: (name != own, len(name), name)))


def _flavour(word: str) -> str:
    """Return the flavour that a source package's word stands for: ``hwe-5.15`` is generic."""
    word = _SERIES.sub("", word)
    if word.split("-")[0] in _BACKPORTS:
        return "generic"
    return word.removesuffix("-edge").removesuffix("-hwe")


def _tagged(entry: Entry, headers: list[Header]) -> tuple[str, ...]:
    """Return the version in the package version, ``51~22.04.1``, which settles it."""
    for text in (str(entry.kernelversion), *(header.version for header in headers)):
        tags: list[str] = _TAG.findall(text)
        if tags:
            return (tags[-1],)
    return ()


def _untagged(
    entry: Entry, word: str, headers: list[Header], candidates: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the versions a package without a tag may be for; the last candidate is the native.

    A package for the version its series was born in has no tag, and some others have none either.
    """
    if not candidates:
        raise UnsupportedError(
            "a series no Ubuntu version is known for",
            f"no Ubuntu version is known for the series of {entry.kernelrelease}",
        )
    source = next((header.source for header in headers if header.source is not None), None)
    words = (word if source is None else source).split("-")
    lts = tuple(version for version in candidates if _LTS.fullmatch(version))
    native = candidates[-1:]
    if any(part in _BACKPORTS for part in words):
        return lts[:1]
    if _SERIES.search("-".join(words)):
        return native if words[-1] == _KEPT_BY_ITS_OWN else lts[:1]
    if words[0] in _MADE_FOR_LTS and source is None:
        return lts
    settled = native == lts[-1:] or words[0] in _OF_EVERY_VERSION
    return native if settled or native[0] in _NEVER_WITHOUT_TAG else candidates
