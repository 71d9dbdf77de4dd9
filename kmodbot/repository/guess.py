"""A first driver.yml, as far as the driver's own build files tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BUILD_FILES = ("Kbuild", "Makefile")
# https://docs.kernel.org/kbuild/modules.html
_MODULES = re.compile(r"^\s*obj-(?:m|\$\(\w+\))\s*[:+?]?=(.*)$", re.MULTILINE)
_OBJECT = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,54})\.o")

_ABOUT = "# What kmodbot's builder has to know about this driver.\n"
_MORE = """\
# description: One line for the package
# maintainer: Your name <you@example.com>
# license: GPL-2.0-only
"""
_UNKNOWN = """\
# kmodbot init found no obj-m in a Kbuild or Makefile. Please fill in the driver's name and the
# modules that a build must make, without .ko.
name:
modules: []
"""


def example_driver_file(root: Path) -> str:
    """Return a driver.yml for the source at `root`, which says what was guessed."""
    found = _find(root)
    if found is None:
        return _ABOUT + _UNKNOWN + _MORE
    build_file, modules = found
    directory = build_file.parent.relative_to(root).as_posix()
    known = {
        "name": re.sub("[^a-z0-9]+", "-", modules[0].lower()).strip("-"),
        "directory": directory,
        "modules": modules,
    }
    guessed = f"# kmodbot init guessed this from {build_file.relative_to(root)}. Please check it.\n"
    text = yaml.safe_dump(known, sort_keys=False, default_flow_style=None)
    return _ABOUT + guessed + text + _MORE


def _find(root: Path) -> tuple[Path, list[str]] | None:
    """Return the build file at the root that names modules, else the only one a folder below."""
    for found in _named(root):
        return found
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    below = [found for folder in folders for found in list(_named(folder))[:1]]
    return below[0] if len(below) == 1 else None


def _named(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    for name in _BUILD_FILES:
        path = folder / name
        if path.is_file() and (modules := _modules(path.read_text(errors="replace"))):
            yield path, modules


def _modules(text: str) -> list[str]:
    lines = _MODULES.findall(text.replace("\\\n", " "))
    words = (word for line in lines for word in line.partition("#")[0].split())
    found = (_OBJECT.fullmatch(word) for word in words)
    return list(dict.fromkeys(match[1] for match in found if match))
