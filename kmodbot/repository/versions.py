"""The version that a driver gets next, for an example a person can use as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kmodbot.kernels import InvalidInput, parse_driver_version

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST = "v0.1.0"


def next_version(tags: Iterable[str]) -> str:
    """Return the version after the newest of `tags`, written like it; v0.1.0 after none.

    A pre-release is followed by the release itself. Tags that name no version do not count.
    """
    versions = [tag for tag in tags if _is_version(tag)]
    if not versions:
        return _FIRST
    release, _, pre_release = max(versions, key=_order).partition("-")
    if pre_release:
        return release
    head, dot, number = release.rpartition(".")
    return f"{head}{dot}{int(number) + 1}"


def _is_version(tag: str) -> bool:
    try:
        parse_driver_version(tag)
    except InvalidInput:
        return False
    return True


def _order(version: str) -> tuple[list[int], bool]:
    release, _, pre_release = version.partition("-")
    return [int(number) for number in re.findall("[0-9]+", release)], not pre_release
