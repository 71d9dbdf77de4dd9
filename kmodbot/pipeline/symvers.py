"""Module.symvers: the symbols a kernel or a build offers to modules.

https://docs.kernel.org/kbuild/modules.html#symbols-from-the-kernel-vmlinux-modules
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_COLUMNS = 3


@dataclass(frozen=True)
class Symbols:
    """Symbols with their checksums, and the modules they come from."""

    checksums: Mapping[str, int]
    modules: frozenset[str]


def read_symbols(paths: Iterable[Path]) -> Symbols:
    """Read Module.symvers files; lines that are none are passed over."""
    checksums: dict[str, int] = {}
    modules: set[str] = set()
    for path in paths:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            columns = line.split("\t")
            if len(columns) >= _COLUMNS and columns[0].startswith("0x"):
                checksums[columns[1]] = int(columns[0], 16)
                modules.add(module_name(PurePosixPath(columns[2]).name))
    return Symbols(checksums, frozenset(modules))


def module_name(name: str) -> str:
    """Return a module's name as the kernel spells it."""
    return name.replace("-", "_")
