"""A first driver.yml, as far as the driver's own build files tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path, PurePath

_BUILD_FILES = ("Kbuild", "Makefile")
# https://docs.kernel.org/kbuild/modules.html
_MODULES = re.compile(r"^\s*obj-(?:m|\$\(\w+\))\s*[:+?]?=(.*)$", re.MULTILINE)
_OBJECT = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,54})\.o")
_SWITCH = re.compile(r"^\s*obj-\$\((CONFIG_\w+)\)", re.MULTILINE)

_ABOUT = "# What kmodbot's builder has to know about this driver.\n"
_MORE = """\
# description: One line for the package
# maintainer: Your name <you@example.com>
# license: GPL-2.0-only
"""
_UNKNOWN = """\
# Please fill in the driver's name and the modules that a build must make, without .ko.
name:
modules: []
"""


@dataclass(frozen=True)
class Guess:
    """A driver.yml, and one line on what was guessed, or why nothing could be."""

    text: str
    said: str


@dataclass(frozen=True)
class _BuildFile:
    place: PurePath
    modules: list[str]
    switches: tuple[str, ...]


def guess_driver_file(root: Path) -> Guess:
    """Return a driver.yml for the source at `root`, which says what was guessed."""
    found = _find(root)
    if len(found) != 1 or not found[0].modules:
        said = f"nothing could be guessed: {_reason(found)}"
        return Guess(f"{_ABOUT}# kmodbot init: {said}.\n{_UNKNOWN}{_MORE}", said)
    return _guess(found[0])


def _guess(found: _BuildFile) -> Guess:
    place, modules = found.place, found.modules
    content = {
        "name": re.sub("[^a-z0-9]+", "-", modules[0].lower()).strip("-"),
        "directory": place.parent.as_posix(),
        "modules": modules,
    }
    said = f"guessed from {place}: name {content['name']}, modules {', '.join(modules)}"
    if found.switches:
        said += f" (built only with {', '.join(found.switches)}: see its line make)"
    about = f"# kmodbot init guessed this from {place}. Please check it.\n"
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    return Guess(_ABOUT + about + text + _switches(found) + _MORE, said)


def _reason(found: list[_BuildFile]) -> str:
    places = [str(one.place) for one in found]
    if not places:
        return "no Kbuild or Makefile, at the root or a folder below, says obj-m"
    if len(places) == 1:
        return f"{places[0]} says obj-m without the plain name of a module"
    return f"{' and '.join(places)} make modules each, and driver.yml names one directory"


def _switches(found: _BuildFile) -> str:
    if not found.switches:
        return ""
    names, settings = ", ".join(found.switches), ", ".join(f"{one}=m" for one in found.switches)
    return (
        f"# {found.place} builds these only with {names}; where that is a switch of the driver\n"
        f"# and not of the kernel, set it:\n# make: [{settings}]\n"
    )


def _find(root: Path) -> list[_BuildFile]:
    """Return the build file at the root that names modules, else those one folder below.

    Where none names any, return those that say obj-m at least.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    here = list(_say_obj_m(root, root))
    below = [one for folder in folders for one in list(_say_obj_m(root, folder))[:1]]
    return _naming(here)[:1] or _naming(below) or here[:1] or below


def _naming(found: list[_BuildFile]) -> list[_BuildFile]:
    return [one for one in found if one.modules]


def _say_obj_m(root: Path, folder: Path) -> Iterator[_BuildFile]:
    for name in _BUILD_FILES:
        path = folder / name
        text = path.read_text(errors="replace") if path.is_file() else ""
        text = text.replace("\\\n", " ")
        if _MODULES.search(text):
            switches = tuple(dict.fromkeys(_SWITCH.findall(text)))
            yield _BuildFile(path.relative_to(root), _modules(text), switches)


def _modules(text: str) -> list[str]:
    lines = _MODULES.findall(text)
    words = (word for line in lines for word in line.partition("#")[0].split())
    found = (_OBJECT.fullmatch(word) for word in words)
    return list(dict.fromkeys(match[1] for match in found if match))
