"""Errors of the file system in the words of a person, and how full the disks are."""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import BuildError, Unequipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: Megabytes without which no kernel's headers fit, by what sets the directory.
LEAST = {"TMPDIR": 100, "--cache": 50}


def require_room(places: Mapping[str, Path]) -> None:
    """Raise Unequipped when there is less than LEAST in one of `places`, by what sets them.

    Not every program says so when it meets a full disk: apt-get may wait for ever.
    """
    for name, path in places.items():
        free, least = _free(path), LEAST.get(name, 0)
        if free < least:
            raise Unequipped(
                f"{name}: {free:.0f} MB are free in {path}, and a build needs {least} MB or more; "
                "name a directory with more room"
            )


@contextmanager
def disk_errors(places: Mapping[str, Path]) -> Iterator[None]:
    """Turn an OSError of the block into a BuildError that names the file.

    For a full disk it lists `places`, by what sets them, with the room that is left in each.
    """
    try:
        yield
    except OSError as error:
        raise BuildError(f"{explained(error)}{_room(error, places)}") from None


def explained(error: OSError) -> str:
    """Return what happened in one line, beginning with the path where there is one."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _room(error: OSError, places: Mapping[str, Path]) -> str:
    if error.errno not in _FULL:
        return ""
    free = (f"{_free(path):.0f} MB in {path} ({name})" for name, path in places.items())
    return f"\nFree are {', '.join(free)}; name a directory with more room."


def _free(path: Path) -> float:
    """Return the megabytes left where `path` is or would be."""
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free / 1e6
