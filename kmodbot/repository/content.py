"""What a driver's repository holds for kmodbot, and where."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from kmodbot.kernels import KERNELS_JSON, SUPPORTED

from .guess import guess_driver_file
from .programs import program

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ".github/kmodbot"
BUILDER = f"{PROGRAMS}/driver-builder.pyz"
IMAGES = ".github/kmodbot/images"
WORKFLOWS = ".github/workflows"
DRIVER_FILE = "driver.yml"

IMAGES_WORKFLOW = f"{WORKFLOWS}/base-images.yml"

_WORKFLOWS = ("driver-build.yml", "nightly-build.yml", "nightly.yml")
_PROGRAMS = ("driver-builder.pyz", "kmodbot-matrix.pyz")


@dataclass(frozen=True)
class File:
    """One file: its path below the repository's root, with what is in it."""

    path: str
    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Content:
    """All files, and whether those that build the `images` are among them.

    `kept` are replaced by a newer kmodbot unless somebody has edited them, `first` belong to the
    driver's authors once they are there. `guessed` is what is said of the first driver.yml.
    """

    kept: list[File]
    first: list[File]
    images: bool
    guessed: str


def content_for(root: Path, *, images: bool) -> Content:
    """Return what the repository at `root` should hold, with or without building the images."""
    guess = guess_driver_file(root)
    first = _first_files(guess.text, images=images)
    return Content(_kept_files(images=images), first, images, guess.said)


def _kept_files(*, images: bool) -> list[File]:
    return [
        *(_file(f"{WORKFLOWS}/{name}", f"workflows/{name}") for name in _WORKFLOWS),
        *(File(f"{PROGRAMS}/{name}", program(name[: -len(".pyz")]), True) for name in _PROGRAMS),
        *(_files_of_images() if images else ()),
    ]


def _first_files(driver_file: str, *, images: bool) -> list[File]:
    own = [_file(f"{IMAGES}/Dockerfile.{name}", f"Dockerfile.{name}") for name in SUPPORTED]
    return [
        *(own if images else ()),
        File(KERNELS_JSON, b"{}\n"),
        File(DRIVER_FILE, driver_file.encode()),
    ]


def _files_of_images() -> list[File]:
    names = ("images.json", "nfpm.txt", *(f"Dockerfile.base.{name}" for name in SUPPORTED))
    return [
        _file(IMAGES_WORKFLOW, "workflows/base-images.yml"),
        *(_file(f"{IMAGES}/{name}", name) for name in names),
    ]


def _file(path: str, source: str) -> File:
    files = resources.files("kmodbot.pipeline") / "files"
    return File(path, files.joinpath(source).read_bytes())
