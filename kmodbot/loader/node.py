"""The node: which kernel it runs, read below its root directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kmodbot.kernels import InvalidInput, Kernel, host_distribution, parse_os_release

from .failures import Refused

if TYPE_CHECKING:
    from pathlib import Path

# In this order: https://www.freedesktop.org/software/systemd/man/latest/os-release.html
_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
_MOST_LINKS = 40
_OF_ANOTHER_SYSTEM = {"kernel_version", "distro_version"}
_HERE = "it runs on this machine; to try the loader without a node, name one with --kernel-release"


def read_kernel(root: Path, release: str, architecture: str) -> Kernel:
    """Return the kernel of the node.

    Raises ``Refused`` without an os-release, ``InvalidInput`` for a node that is not supported or
    a kernel that is not of its distribution.
    """
    distribution, distro_version = host_distribution(parse_os_release(_os_release(root)))
    try:
        return Kernel.parse(
            distribution=distribution,
            distro_version=distro_version,
            architecture=architecture,
            release=release,
        )
    except InvalidInput as error:
        if release != os.uname().release or error.field not in _OF_ANOTHER_SYSTEM:
            raise
        raise InvalidInput(error.field, f"{error.message}; {_HERE}") from error


def inside(root: Path, path: str) -> Path:
    """Return where ``path`` leads for a process whose root directory is ``root``.

    A node's root is often mounted below another (``/host``): there an absolute link, followed by
    the system itself, would lead to a file of the wrong machine. Parts may be missing.
    """
    found = root
    waiting = _parts(path)
    links = 0
    while waiting:
        part = waiting.pop(0)
        if part == "..":
            found = found if found == root else found.parent
            continue
        step = found / part
        if not step.is_symlink():
            found = step
            continue
        links += 1
        if links > _MOST_LINKS:
            raise Refused(f"too many symbolic links in {root / path}")
        target = os.fspath(step.readlink())
        found = root if target.startswith("/") else found
        waiting = _parts(target) + waiting
    return found


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _os_release(root: Path) -> str:
    for path in _OS_RELEASE:
        file = inside(root, path)
        if file.is_file():
            return file.read_text(encoding="utf-8", errors="replace")
    raise Refused(f"no etc/os-release and no usr/lib/os-release in {root}; is --root right?")
