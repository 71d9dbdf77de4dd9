"""A small system in a directory: what the scripts of a package need, and a kernel's modules."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = ("sh", "depmod", "modprobe")


@dataclass(frozen=True)
class Chroot:
    """A root directory in which packages are installed, and the kernel it has."""

    root: Path
    release: str

    @property
    def modules(self) -> Path:
        """The directory of the kernel's modules."""
        return self.root / "lib/modules" / self.release

    def index(self) -> list[str]:
        """Return the modules that modules.dep names, by their path below `modules`."""
        lines = (self.modules / "modules.dep").read_text().splitlines()
        return sorted(line.partition(":")[0] for line in lines)

    def modprobe(self, module: str) -> str:
        """Return what modprobe would load in this system."""
        words = ["modprobe", "--show-depends", "--set-version", self.release, module]
        done = subprocess.run(
            ["chroot", str(self.root), *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def files(self) -> set[str]:
        """Return everything there is below /lib/modules, directories too."""
        base = self.root / "lib/modules"
        return {str(path.relative_to(base)) for path in base.rglob("*")}


def make_chroot(root: Path, release: str, *, kernel: bool = True) -> Chroot:
    """Copy the programs with their libraries, and make the modules of a kernel."""
    for name in _PROGRAMS:
        _copy_program(root, name)
    # All a script does with it is to write nothing into it.
    (root / "dev").mkdir()
    (root / "dev/null").touch()
    made = Chroot(root, release)
    if kernel:
        (made.modules / "kernel").mkdir(parents=True)
        for name in ("modules.order", "modules.builtin"):
            (made.modules / name).touch()
        subprocess.run(["chroot", str(root), "depmod", release], check=True)
    return made


def _copy_program(root: Path, name: str) -> None:
    program = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert program, f"{name} is not installed"
    said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", said)
    for path in (Path(program), *map(Path, libraries)):
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for place in ("bin", "sbin"):
        link = root / place / name
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(f"/{Path(program).relative_to('/')}")
