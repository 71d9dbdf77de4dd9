"""The programs that ship as one file, which runs wherever there is a Python."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import kmodbot

from .errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(kmodbot.__file__).parent


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

_SHEBANG = b"#!/usr/bin/env python3\n"
_START = """\
import sys

if sys.version_info < {python}:
    sys.exit("{name} needs Python {text} or newer; this is %d.%d" % sys.version_info[:2])

from kmodbot.{start}.__main__ import main

sys.exit(main())
"""
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def program(name: str) -> bytes:
    """Return the program called `name`, a key of ``PROGRAMS``: the same source, the same bytes.

    Raises:
        RepositoryError: a package that goes into it is not installed.

    """
    file = io.BytesIO(_SHEBANG)
    file.seek(0, io.SEEK_END)
    content = _entries(name)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(content):
            # Without any trace of when or where it was made.
            entry = zipfile.ZipInfo(path, _EARLIEST)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content[path])
    return file.getvalue()


def _entries(name: str) -> dict[str, bytes]:
    one = PROGRAMS[name]
    text = ".".join(map(str, one.python))
    start = _START.format(name=name, start=one.start, python=one.python, text=text)
    found = {"__main__.py": start.encode()}
    for part in ("__init__.py", "kernels", *one.parts):
        for path in _files(PACKAGE / part):
            found[path.relative_to(PACKAGE.parent).as_posix()] = path.read_bytes()
    for distribution in one.bundled:
        found.update(_bundled(distribution))
    return found


def _files(place: Path) -> Iterator[Path]:
    for path in [place] if place.is_file() else place.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _bundled(distribution: str) -> dict[str, bytes]:
    """Return the Python files of an installed package, and its licence beside them."""
    found = {}
    for path in _installed(distribution):
        if path.suffix == ".py":
            found[path.as_posix()] = path.read_binary()
        elif path.name == "LICENSE":
            found[f"{distribution}.LICENSE"] = path.read_binary()
    if not found:
        raise RepositoryError(
            f"{distribution} is needed as pip installs it; pip install {distribution}"
        )
    return found


def _installed(distribution: str) -> list[metadata.PackagePath]:
    try:
        return metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return []
