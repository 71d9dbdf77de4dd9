"""An unpacked tree of kernel headers, ready for `make -C`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

_SETTING = re.compile(r'(CONFIG_[A-Z0-9_]+)=(?:"([^"]*)"|(\S+))')


@dataclass(frozen=True)
class HeaderTree:
    """The headers of one kernel: `path` is what make is pointed at, `root` all that came along."""

    path: Path
    root: Path

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
