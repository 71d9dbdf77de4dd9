"""Names for this machine's paths in what the compiler writes.

Work directories differ from build to build, and a package must not.
https://gcc.gnu.org/onlinedocs/gcc/Overall-Options.html#index-ffile-prefix-map
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmodbot.pipeline.headers import HeaderTree

_HEADERS = "/headers"


def path_maps(source: Path, directory: Path, headers: HeaderTree, release: str) -> list[str]:
    """Return the options that name files of the driver and of the headers the same everywhere.

    Files of the driver get their path from `directory`, which is `source` or below it; those of
    the headers begin with ``/headers``. ccache hands paths to the compiler as seen from where it
    is started, so these get the same names.
    """
    started_in = directory if starts_in_driver(release) else headers.path
    names = dict([*_of_headers(headers), *_of_driver(source, directory)])
    seen = {os.path.relpath(place, started_in): name for place, name in names.items()}
    maps = {str(place): name for place, name in names.items()}
    maps.update((path, name) for path, name in seen.items() if path not in (name, "."))
    # With a slash the name of a directory itself may be "." and the files in it go without.
    maps.update((f"{path}/", "") for path, name in list(maps.items()) if name == ".")
    # The compiler takes the last one that fits, by characters: the longest has to win.
    return [f"-ffile-prefix-map={path}={maps[path]}" for path in sorted(maps, key=len)]


def starts_in_driver(release: str) -> bool:
    """Whether kbuild of this kernel starts the compiler in the driver's directory.

    Up to 6.12 it starts it in the directory of the headers.
    https://docs.kernel.org/kbuild/modules.html
    """
    major, minor = re.findall("[0-9]+", release)[:2]
    return (int(major), int(minor)) >= (6, 13)


def _of_headers(headers: HeaderTree) -> Iterator[tuple[Path, str]]:
    yield headers.root, _HEADERS
    for place in headers.path.parents:
        if headers.root in place.parents:
            yield place, f"{_HEADERS}/{place.relative_to(headers.root)}"


def _of_driver(source: Path, directory: Path) -> Iterator[tuple[Path, str]]:
    for place in (directory, *directory.parents):
        if place == source or source in place.parents:
            yield place, os.path.relpath(place, directory)
