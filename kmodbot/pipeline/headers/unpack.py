"""Header packages unpacked, never installed, into a tree that works where it is.

Installing would pull in the kernel image, needs root, and changes the machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import capture, require_program
from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.headers.tree import HeaderTree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def unpack_headers(files: Sequence[Path], release: str, root: Path) -> HeaderTree:
    """Unpack the packages `files` below `root`; returns the tree of the kernel `release`.

    Raises BuildError when they do not hold that tree.
    """
    program = require_program("dpkg-deb", "apt-get install dpkg")
    root.mkdir(parents=True, exist_ok=True)
    for file in files:
        capture([program, "-x", str(file), str(root)])
    tree = HeaderTree(root / "usr/src" / f"linux-headers-{release}", root)
    make_relocatable(tree)
    return tree


def make_relocatable(tree: HeaderTree) -> None:
    """Make a tree meant for /usr/src work where it was unpacked."""
    if not (tree.path / "Makefile").is_file():
        raise BuildError(f"the package of {tree.path.name} holds no {tree.path.name}/Makefile")
    for path in (tree.root / "usr/src").glob("linux-*/Makefile"):
        # One that is a link belongs to the tree it points at, which is visited as well.
        if not path.is_symlink():
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("/usr/src/", f"{tree.root}/usr/src/"), encoding="utf-8")
    for path in list(_links(tree.root)):
        target = path.readlink()
        if target.is_absolute():
            path.unlink()
            path.symlink_to(f"{tree.root}{target}")


def _links(root: Path) -> Iterator[Path]:
    for directory, folders, files in os.walk(root):
        paths = (Path(directory, name) for name in (*folders, *files))
        yield from (path for path in paths if path.is_symlink())
