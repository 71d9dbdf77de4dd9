"""Kernels that are known not to build: a file of the driver's repository, with the reasons.

It has the shape of kernels.json; each entry has a ``reason`` too and, if only some driver versions
are concerned, ``driverversions``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kmodbot.kernels import (
    ARCHITECTURES,
    InvalidInput,
    Kernel,
    parse_driver_version,
)

from ..crawler.strict import parse_strict
from .errors import BadInputError

if TYPE_CHECKING:
    from pathlib import Path

_TEXTS = ("target", "kernelrelease", "distroversion", "reason")
_VERSIONS = "driverversions"


class KnownBad:
    """Which kernels not to build, for which driver versions, and why."""

    def __init__(self) -> None:
        self._reasons: dict[Kernel, tuple[str, frozenset[str] | None]] = {}

    def reason(self, kernel: Kernel, driver_version: str) -> str | None:
        """Return why the kernel is not to be built with this driver version, None if it is."""
        reason, versions = self._reasons.get(kernel, (None, None))
        return reason if versions is None or driver_version in versions else None

    def __len__(self) -> int:
        return len(self._reasons)

    def add(self, kernel: Kernel, reason: str, versions: frozenset[str] | None) -> bool:
        """Add a kernel; False when it is there already."""
        if kernel in self._reasons:
            return False
        self._reasons[kernel] = reason, versions
        return True


def read_known_bad(path: Path) -> KnownBad:
    """Return what the file says; BadInputError with the place of what is wrong in it."""
    try:
        content = parse_strict(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}; correct --known-bad") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: not JSON ({error}); repair it") from None
    except ValueError as error:
        raise BadInputError(f"{path}: cannot be read ({error}); repair it") from None
    if not isinstance(content, dict) or not set(content) <= set(ARCHITECTURES):
        expected = f"expected an object with the keys {' and '.join(ARCHITECTURES)} alone"
        raise BadInputError(f"{path}: {expected}; repair it")
    found = KnownBad()
    for architecture, entries in content.items():
        if not isinstance(entries, list):
            raise BadInputError(f"{path}: {architecture}: expected a list; repair it")
        for index, entry in enumerate(entries):
            _add(found, architecture, entry, f"{path}: {architecture}[{index}]")
    return found


def _add(found: KnownBad, architecture: str, entry: Any, place: str) -> None:
    if not isinstance(entry, dict) or not {*_TEXTS} <= set(entry) <= {*_TEXTS, _VERSIONS}:
        expected = f"expected an object with {', '.join(_TEXTS)} and, if needed, {_VERSIONS}"
        raise BadInputError(f"{place}: {expected}; repair it")
    for key in _TEXTS:
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise BadInputError(f"{place}: {key!r} must be a text that is not empty; repair it")
    try:
        kernel = Kernel.parse(
            distribution=entry["target"],
            distro_version=entry["distroversion"],
            architecture=architecture,
            release=entry["kernelrelease"],
        )
    except InvalidInput as error:
        raise BadInputError(f"{place}: {error}; correct or remove the entry") from None
    if not found.add(kernel, entry["reason"], _versions(entry, place)):
        raise BadInputError(f"{place}: repeats an earlier entry; remove one of them")


def _versions(entry: dict[str, Any], place: str) -> frozenset[str] | None:
    if _VERSIONS not in entry:
        return None
    versions = entry[_VERSIONS]
    if not isinstance(versions, list) or not versions:
        raise BadInputError(f"{place}: {_VERSIONS!r} must be a list of driver versions; repair it")
    try:
        return frozenset(parse_driver_version(str(version)) for version in versions)
    except InvalidInput as error:
        raise BadInputError(f"{place}: {error}; repair it") from None
