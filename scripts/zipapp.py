"""Writes dist/NAME.pyz: one file that runs wherever there is a Python, the same bytes each time."""

from __future__ import annotations

import argparse
import sys
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Program:
    """One file: where it starts, what of ``kmodbot`` it holds, and how old its Python may be.

    ``bundled`` are packages from elsewhere, pure Python each.
    """

    start: str
    parts: tuple[str, ...]
    python: tuple[int, int] = (3, 9)
    bundled: tuple[str, ...] = ()


PROGRAMS = {
    "driver-loader": Program("loader", ("loader",)),
    "driver-builder": Program("pipeline", ("pipeline",), bundled=("PyYAML",)),
    "kmodbot-matrix": Program(
        "discovery.matrix",
        (
            "discovery/__init__.py",
            "discovery/commands/__init__.py",
            "discovery/commands/matrix.py",
            "discovery/crawler",
            "discovery/matrix",
        ),
        python=(3, 11),
    ),
}

SHEBANG = b"#!/usr/bin/env python3\n"
START = """\
import sys

if sys.version_info < {python}:
    sys.exit("{name} needs Python {text} or newer; this is %d.%d" % sys.version_info[:2])

from kmodbot.{start}.__main__ import main

sys.exit(main())
"""
EARLIEST = (1980, 1, 1, 0, 0, 0)


def main() -> int:
    """Write the file that is asked for and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(PROGRAMS))
    parser.add_argument("--output", type=Path, default=PROJECT / "dist", metavar="DIR")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    target: Path = given.output / f"{given.name}.pyz"
    write(target, entries(given.name))
    print(target)
    return 0


def entries(name: str) -> dict[str, bytes]:
    """Return what goes into the file: path -> content."""
    program = PROGRAMS[name]
    text = ".".join(map(str, program.python))
    start = START.format(name=name, start=program.start, python=program.python, text=text)
    found = {"__main__.py": start.encode()}
    package = PROJECT / "kmodbot"
    for part in ("__init__.py", "kernels", *program.parts):
        for path in _files(package / part):
            found[str(path.relative_to(PROJECT))] = path.read_bytes()
    for distribution in program.bundled:
        found.update(_bundled(distribution))
    return found


def write(target: Path, content: dict[str, bytes]) -> None:
    """Write the entries, in order and without any trace of when or where, and make it runnable."""
    with target.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(content):
                entry = zipfile.ZipInfo(path, EARLIEST)
                entry.create_system = 3
                entry.external_attr = 0o100644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content[path])
    target.chmod(0o755)


def _files(place: Path) -> Iterator[Path]:
    for path in [place] if place.is_file() else place.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _bundled(distribution: str) -> Iterator[tuple[str, bytes]]:
    """Give the Python files of an installed package, and its licence beside them."""
    for path in metadata.files(distribution) or []:
        if path.suffix == ".py":
            yield str(path), path.read_binary()
        elif path.name == "LICENSE":
            yield f"{distribution}.LICENSE", path.read_binary()


if __name__ == "__main__":
    sys.exit(main())
