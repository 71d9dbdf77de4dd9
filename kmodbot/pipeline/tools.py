"""Programs that every build needs, looked for before anything is downloaded.

The compiler is not among them: only the headers tell which one it has to be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import find_program, missing
from kmodbot.pipeline.compiler import cross_names
from kmodbot.pipeline.errors import Unequipped
from kmodbot.pipeline.package import HAS_NFPM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.driver_file import DriverFile


def require_tools(kernel: Kernel, driver_file: DriverFile) -> None:
    """Raise Unequipped naming every program that this machine lacks, and what installs it."""
    lacking = [
        missing(name, install)
        for name, install in _wanted(kernel, driver_file)
        if find_program(name) is None
    ]
    if lacking:
        raise Unequipped("\n".join(lacking))


def _wanted(kernel: Kernel, driver_file: DriverFile) -> Iterator[tuple[str, str]]:
    yield "nfpm", HAS_NFPM
    if not driver_file.build:
        yield "make", "apt-get or dnf install make"
    prefix, suffix = cross_names(kernel)
    if prefix and kernel.distribution != "debian":
        # No program helps: these headers work on machines of their own architecture only.
        return
    manager = "apt-get" if prefix else "apt-get or dnf"
    for name in ("ld", "strip"):
        yield f"{prefix}{name}", f"{manager} install binutils{suffix}"
