"""What a driver's repository holds for kmodbot, and where."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from kmodbot.kernels import KERNELS_JSON, SUPPORTED

from .guess import example_driver_file
from .programs import program

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ".github/kmodbot"
IMAGES = ".github/kmodbot/images"
WORKFLOWS = ".github/workflows"
DRIVER_FILE = "driver.yml"

_WORKFLOWS = ("base-images.yml", "driver-build.yml", "nightly-build.yml", "nightly.yml")
_PROGRAMS = ("driver-builder.pyz", "kmodbot-matrix.pyz")


@dataclass(frozen=True)
class File:
    """One file: its path below the repository's root, with what is in it."""

    path: str
    content: bytes
    executable: bool = False


def kept_files() -> list[File]:
    """Return the files that a newer kmodbot replaces unless somebody has edited them."""
    images = ("images.json", "nfpm.txt", *(f"Dockerfile.base.{name}" for name in SUPPORTED))
    return [
        *(_file(f"{WORKFLOWS}/{name}", f"workflows/{name}") for name in _WORKFLOWS),
        *(_file(f"{IMAGES}/{name}", name) for name in images),
        *(File(f"{PROGRAMS}/{name}", program(name[: -len(".pyz")]), True) for name in _PROGRAMS),
    ]


def first_files(root: Path) -> list[File]:
    """Return the files that belong to the driver's authors once they are there."""
    return [
        *(_file(f"{IMAGES}/Dockerfile.{name}", f"Dockerfile.{name}") for name in SUPPORTED),
        File(KERNELS_JSON, b"{}\n"),
        File(DRIVER_FILE, example_driver_file(root).encode()),
    ]


def _file(path: str, source: str) -> File:
    files = resources.files("kmodbot.pipeline") / "files"
    return File(path, files.joinpath(source).read_bytes())
