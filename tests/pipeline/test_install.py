"""Packages install, upgrade and go away again, by the real package managers."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import Driver, Kernel, parse_driver_version
from kmodbot.pipeline.driver_file import DriverFile
from kmodbot.pipeline.package import Contents, legal_name, make_package

from .chroot import Chroot, make_chroot
from .conftest import kernel
from .test_real_build import build_hello, newest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="installing into a chroot needs root"),
    pytest.mark.skipif(shutil.which("rpm") is None, reason="rpm is not installed"),
]

FEDORA = Kernel.parse(
    distribution="fedora", architecture="x86_64", release="6.17.1-300.fc43.x86_64"
)


@dataclass(frozen=True)
class Manager:
    """A package manager, told to work in a chroot."""

    kind: str
    kernel: Kernel
    directory: str

    @property
    def name(self) -> str:
        return legal_name(Driver.parse("hello", "v0.1.0"), self.kernel, self.kind)

    def install(self, chroot: Chroot, package: Path) -> str:
        """Install or upgrade, with every dependency checked."""
        if self.kind == "deb":
            return self.run("dpkg", f"--root={chroot.root}", "--install", str(package))
        return self._rpm(chroot, "--upgrade", str(package))

    def remove(self, chroot: Chroot) -> str:
        if self.kind == "deb":
            return self.run("dpkg", f"--root={chroot.root}", "--purge", self.name)
        return self._rpm(chroot, "--erase", self.name)

    def versions(self, chroot: Chroot) -> str:
        """Return the installed version, "" when it is not installed."""
        if self.kind == "rpm":
            return self._rpm(chroot, "-qa", "--qf", "%{VERSION}", self.name)
        words = ["dpkg-query", f"--admindir={chroot.root}/var/lib/dpkg", "-W", "-f", "${Version}"]
        done = subprocess.run([*words, self.name], check=False, capture_output=True, text=True)
        return done.stdout

    def prepare(self, chroot: Chroot) -> None:
        """Make the manager's own database."""
        if self.kind == "deb":
            for name in ("info", "updates"):
                (chroot.root / "var/lib/dpkg" / name).mkdir(parents=True)
            (chroot.root / "var/lib/dpkg/status").touch()
        else:
            self._rpm(chroot, "--initdb")

    def _rpm(self, chroot: Chroot, *words: str) -> str:
        return self.run("rpm", f"--root={chroot.root}", *words)

    def run(self, *words: str) -> str:
        """Run a command with nothing of this test's environment; returns what it prints."""
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            words, env={"PATH": path, "LC_ALL": "C"}, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


MANAGERS = [Manager("deb", kernel(), "updates"), Manager("rpm", FEDORA, "extra")]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real module; depmod reads it."""
    directory = tmp_path_factory.mktemp("build")
    cache = directory / "cache"
    build_hello(newest(cache, "6.1.0-", "cloud-amd64"), directory, cache)
    return next((directory / "root").rglob("hello.ko"))


@pytest.fixture(params=MANAGERS, ids=lambda manager: manager.kind)
def manager(request: pytest.FixtureRequest) -> Manager:
    found: Manager = request.param
    return found


@pytest.fixture
def chroot(manager: Manager, tmp_path: Path) -> Chroot:
    made = make_chroot(tmp_path / "chroot", manager.kernel.release)
    manager.prepare(made)
    return made


def packed(manager: Manager, directory: Path, module: Path, version: str, *others: str) -> Path:
    """Pack the module as hello.ko, and under other names too."""
    modules = [module]
    for name in others:
        modules.append(directory / f"{name}.ko")
        shutil.copy(module, modules[-1])
    driver = Driver.parse("hello", version)
    about = DriverFile(name="hello", modules=("hello", *others))
    contents = Contents(driver, manager.kernel, about, modules, 1)
    return make_package(
        contents, directory / f"work-{manager.kind}-{version}", directory / "packages"
    )


def test_an_installed_module_is_known_to_modprobe(
    manager: Manager, chroot: Chroot, module: Path, tmp_path: Path
) -> None:
    manager.install(chroot, packed(manager, tmp_path, module, "v0.1.0"))
    assert chroot.index() == [f"{manager.directory}/hello.ko"]
    path = f"/lib/modules/{chroot.release}/{manager.directory}/hello.ko"
    assert chroot.modprobe("hello") == f"insmod {path}"
    assert (chroot.root / path[1:]).stat().st_mode & 0o7777 == 0o644


def test_scripts_outside_of_the_system_look_inside_it(module: Path, tmp_path: Path) -> None:
    deb = MANAGERS[0]
    # The space: quoting counts in every command of the scripts.
    chroot = make_chroot(tmp_path / "a system", deb.kernel.release)
    deb.prepare(chroot)
    (chroot.root / "bin/sh").unlink()
    words = ["dpkg", f"--root={chroot.root}", "--force-script-chrootless"]
    deb.run(*words, "--install", str(packed(deb, tmp_path, module, "v0.1.0")))
    assert chroot.index() == ["updates/hello.ko"]
    deb.run(*words, "--purge", deb.name)
    assert chroot.index() == []


def test_a_removal_leaves_nothing(
    manager: Manager, chroot: Chroot, module: Path, tmp_path: Path
) -> None:
    before = chroot.files()
    manager.install(chroot, packed(manager, tmp_path, module, "v0.1.0"))
    manager.remove(chroot)
    assert chroot.files() == before
    assert chroot.index() == []
    assert manager.versions(chroot) == ""


def test_an_upgrade_replaces_the_modules(
    manager: Manager, chroot: Chroot, module: Path, tmp_path: Path
) -> None:
    manager.install(chroot, packed(manager, tmp_path, module, "v0.1.0", "old"))
    assert chroot.index() == [f"{manager.directory}/{name}.ko" for name in ("hello", "old")]
    manager.install(chroot, packed(manager, tmp_path, module, "v0.2.0", "new"))
    assert manager.versions(chroot) == "0.2.0"
    # The scripts of the package that goes run after those of the one that comes.
    assert chroot.index() == [f"{manager.directory}/{name}.ko" for name in ("hello", "new")]
    assert not (chroot.modules / manager.directory / "old.ko").exists()
    manager.remove(chroot)
    assert chroot.index() == []


def test_modules_of_others_stay(
    manager: Manager, chroot: Chroot, module: Path, tmp_path: Path
) -> None:
    other = chroot.modules / manager.directory / "other.ko"
    other.parent.mkdir()
    shutil.copy(module, other)
    manager.install(chroot, packed(manager, tmp_path, module, "v0.1.0"))
    manager.remove(chroot)
    assert chroot.index() == [f"{manager.directory}/other.ko"]


def test_without_the_kernel_it_installs_too_and_leaves_nothing(
    manager: Manager, module: Path, tmp_path: Path
) -> None:
    chroot = make_chroot(tmp_path / "chroot", manager.kernel.release, kernel=False)
    manager.prepare(chroot)
    manager.install(chroot, packed(manager, tmp_path, module, "v0.1.0"))
    assert not (chroot.modules / "modules.dep").exists()
    manager.remove(chroot)
    assert chroot.files() == set()


def test_an_older_version_is_not_taken_for_an_upgrade(
    manager: Manager, chroot: Chroot, module: Path, tmp_path: Path
) -> None:
    for version in ("v1.0.0-rc.1", "v1.0.0"):
        manager.install(chroot, packed(manager, tmp_path, module, version))
    assert manager.versions(chroot) == "1.0.0"


ORDER = ["v0.9", "v1.0.0-alpha", "v1.0.0-rc.1", "v1.0.0-rc.2", "v1.0.0", "v1.0.1", "1.0.10", "2.0"]


@pytest.mark.parametrize(("older", "newer"), list(pairwise(ORDER)))
def test_both_managers_sort_versions_as_people_do(
    older: str, newer: str, module: Path, tmp_path: Path
) -> None:
    for manager in MANAGERS:
        old, new = (
            _version(manager, packed(manager, tmp_path, module, parse_driver_version(each)))
            for each in (older, newer)
        )
        if manager.kind == "deb":
            subprocess.run(["dpkg", "--compare-versions", old, "lt", new], check=True)
        else:
            lua = f"%{{lua: print(rpm.vercmp('{old}', '{new}'))}}"
            said = subprocess.run(["rpm", "--eval", lua], check=True, capture_output=True)
            assert said.stdout.strip() == b"-1"


def _version(manager: Manager, package: Path) -> str:
    field = ["dpkg-deb", "-f", str(package), "Version"]
    if manager.kind == "rpm":
        field = ["rpm", "-qp", "--qf", "%{VERSION}", str(package)]
    return subprocess.run(field, check=True, capture_output=True, text=True).stdout.strip()


def test_nothing_is_needed_but_the_package_managers_themselves(
    module: Path, tmp_path: Path
) -> None:
    deb, rpm = (packed(manager, tmp_path, module, "v0.1.0") for manager in MANAGERS)
    fields = subprocess.run(
        ["dpkg-deb", "-f", str(deb)], check=True, capture_output=True, text=True
    )
    for relation in ("Depends", "Pre-Depends", "Recommends", "Conflicts"):
        assert f"\n{relation}:" not in fields.stdout
    words = ["rpm", "-qp", "--requires", str(rpm)]
    needed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert all(line.startswith("rpmlib") for line in needed.splitlines())
