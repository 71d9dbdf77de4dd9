"""An unpacked tree of kernel headers, ready for `make -C`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kmodbot.pipeline.elf import machine_of
from kmodbot.pipeline.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

# Programs of the kernel's build itself, which run on the machine that builds.
_PROGRAMS = ("scripts/basic/fixdep", "scripts/mod/modpost")
_SETTING = re.compile(r'(CONFIG_[A-Z0-9_]+)=(?:"([^"]*)"|(\S+))')


@dataclass(frozen=True)
class HeaderTree:
    """The headers of one kernel: `path` is what make is pointed at, `root` all that came along.

    `source` is the name of the place they come from.
    """

    path: Path
    root: Path
    source: str = ""

    @cached_property
    def config(self) -> dict[str, str]:
        """The kernel's configuration: `CONFIG_...` to its value without quotes."""
        text = (self.path / ".config").read_text(encoding="utf-8")
        found = (_SETTING.fullmatch(line) for line in text.splitlines())
        return {match[1]: match[2] or match[3] or "" for match in found if match}

    @property
    def has_vmlinux(self) -> bool:
        """Whether kbuild will try to add BTF to modules."""
        return (self.path / "vmlinux").exists()

    def check(self) -> None:
        """Raise BuildError when a file is missing without which a module cannot be right."""
        missing = [
            name
            for name in (".config", "Makefile", "Module.symvers")
            if not (self.path / name).is_file()
        ]
        if missing:
            raise BuildError(
                f"the headers in {self.path.name} lack {', '.join(missing)}; "
                "a module built with them could not be loaded"
            )

    def check_programs(self, machine: str) -> None:
        """Raise BuildError when the programs among the headers do not run on a `machine`.

        Debian packs them apart from the headers, for every machine. Elsewhere they are part of the
        headers and fit only machines of the kernel's own architecture.
        """
        for name in _PROGRAMS:
            program = self.path / name
            if not program.is_file():
                raise BuildError(f"the headers in {self.path.name} lack {name}")
            with program.open("rb") as file:
                built_for = machine_of(file.read(64))
            if built_for not in (machine, None):
                raise BuildError(
                    f"the headers in {self.path.name} hold programs for {built_for}, which this "
                    f"{machine} machine cannot run ({name}); build on an {built_for} machine "
                    "(driver-build.yml: runs-on)"
                )
