"""A Fedora kernel's headers package, made from the real headers of a Debian kernel."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.kernels import Kernel
from kmodbot.pipeline.headers import CHAINS, fetch_headers
from kmodbot.pipeline.headers.suites import AptSuites, flavour
from kmodbot.pipeline.phases import Log

from .packages import Workshop, index, put

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = "6.14.0-100.fc42.x86_64"


@dataclass(frozen=True)
class KernelDevel:
    """Headers that modules can be built with: their package and a repository that has it."""

    release: str
    package: Path
    repository: Path
    keys: Path

    @property
    def kernel(self) -> Kernel:
        """The kernel the package is for."""
        return Kernel.parse(distribution="fedora", architecture="x86_64", release=self.release)


def make(directory: Path, workshop: Workshop) -> KernelDevel:
    """Make the package and its repository below `directory`."""
    tree = directory / "tree"
    headers = tree / f"content/usr/src/kernels/{RELEASE}"
    _flatten(_debian_headers(directory), headers)
    _rename(headers)
    package = workshop.pack(tree, RELEASE, "kernel-devel", workshop.signer)
    shutil.rmtree(tree / "content")
    repository = directory / "repository"
    put(package, repository)
    keys = directory / "keys"
    put(workshop.signer.public, keys)
    return KernelDevel(RELEASE, package, index(repository), keys)


def _debian_headers(directory: Path) -> Path:
    log = Log(stream=io.StringIO())
    suites = CHAINS["debian"][0]
    assert isinstance(suites, AptSuites)
    releases = suites.releases("12", "x86_64", directory / "cache", log)
    newest = [r for r in releases if r.startswith("6.1.0-") and flavour(r) == "amd64"][-1]
    kernel = Kernel.parse(
        distribution="debian", distro_version="12", architecture="x86_64", release=newest
    )
    tree = fetch_headers(kernel, directory / "debian", directory / "cache", log)
    return tree.path


def _flatten(flavour_tree: Path, target: Path) -> None:
    """Make one tree, as in a kernel-devel package, of Debian's three."""
    common = flavour_tree.with_name(f"{flavour_tree.name.removesuffix('-amd64')}-common")
    others = [path.name for path in (common / "arch").iterdir() if path.name != "x86"]
    unused = {"arch": [name for name in others if name != "Kconfig"], "include": ["dt-bindings"]}

    def ignore(path: str, _: list[str]) -> list[str]:
        return next((names for name, names in unused.items() if path == str(common / name)), [])

    shutil.copytree(common, target, ignore=ignore)
    for name in (".config", ".kernelvariables", "Module.symvers"):
        shutil.copy(flavour_tree / name, target / name)
    for name in ("arch", "include"):
        shutil.copytree(flavour_tree / name, target / name, dirs_exist_ok=True)


def _rename(headers: Path) -> None:
    (headers / "include/config/kernel.release").write_text(f"{RELEASE}\n")
    utsrelease = f'#define UTS_RELEASE "{RELEASE}"\n'
    (headers / "include/generated/utsrelease.h").write_text(utsrelease)
    # Debian's own settings, which a tree of Fedora does not have.
    (headers / ".kernelvariables").write_text("override ARCH = x86\n")
