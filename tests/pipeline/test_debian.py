"""Debian's headers: found by apt in a state of its own, checked, and made to work anywhere."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import BuildError, HeadersNotFound
from kmodbot.pipeline.headers import debian
from kmodbot.pipeline.headers.apt import AptPackage, parse_depends, parse_packages
from kmodbot.pipeline.headers.debian import (
    KEYRING,
    DebianSuites,
    archives,
    flavour,
    make_relocatable,
    resolve,
)
from kmodbot.pipeline.headers.tree import HeaderTree

from .conftest import kernel

if TYPE_CHECKING:
    from kmodbot.pipeline.phases import Log

STANZA = """\
Package: linux-headers-6.12.38+deb12-amd64
Source: linux
Version: 6.12.38-1~deb12u1
Architecture: amd64
Depends: linux-base (>= 4.12~), linux-headers-6.12.38+deb12-common (= 6.12.38-1~deb12u1),
 a-folded-line,
Size: 2931728
SHA256: d554fd0fd1ba990b36a428a5982c295e365bb5598c366bdf088aeb467c4c6dd3
Description: Header files
 that are long: and folded

"""


def test_packages_are_read_from_the_lists() -> None:
    (package,) = parse_packages(STANZA)
    assert package.wanted == "linux-headers-6.12.38+deb12-amd64:amd64=6.12.38-1~deb12u1"
    assert package.size == 2931728
    exact = ("linux-headers-6.12.38+deb12-common", "6.12.38-1~deb12u1")
    assert package.depends == (("linux-base", None), exact)


@pytest.mark.parametrize(
    ("text", "depends"),
    [
        ("", ()),
        ("gcc-12", (("gcc-12", None),)),
        ("one (= 1) | two (= 1), three (>= 2)", (("one", "1"), ("three", None))),
        ("python3:any (>= 3.9)", (("python3", None),)),
    ],
)
def test_dependencies_keep_exact_versions_only(
    text: str, depends: tuple[tuple[str, str | None], ...]
) -> None:
    assert parse_depends(text) == depends


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("6.1.0-38-amd64", "amd64"),
        ("6.1.0-38-rt-amd64", "rt-amd64"),
        ("6.12.38+deb12-cloud-amd64", "cloud-amd64"),
        ("6.1.0-0.deb11.13-amd64", "amd64"),
        ("6.12.38+deb13-arm64-16k", "arm64-16k"),
    ],
)
def test_the_flavour_is_what_follows_the_numbers(release: str, expected: str) -> None:
    assert flavour(release) == expected


class Lists:
    """Package lists without apt."""

    def __init__(self, *packages: AptPackage) -> None:
        self.packages = {package.name: package for package in packages}
        self.asked: list[str] = []

    def show(self, names: list[str]) -> list[AptPackage]:
        self.asked += names
        return [self.packages[name.partition("=")[0].partition(":")[0]] for name in names]


def package(name: str, *depends: tuple[str, str | None], architecture: str = "amd64") -> AptPackage:
    return AptPackage(name, "1", architecture, 1, "0" * 64, depends)


@pytest.mark.parametrize(
    ("release", "common", "kbuild"),
    [
        ("6.1.0-38-amd64", "linux-headers-6.1.0-38-common", "linux-kbuild-6.1"),
        ("6.1.0-38-rt-amd64", "linux-headers-6.1.0-38-common-rt", "linux-kbuild-6.1"),
        (
            "6.12.38+deb12-cloud-amd64",
            "linux-headers-6.12.38+deb12-common",
            "linux-kbuild-6.12.38+deb12",
        ),
    ],
)
def test_old_and_new_names_of_the_other_packages_come_from_the_dependencies(
    monkeypatch: pytest.MonkeyPatch, release: str, common: str, kbuild: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    lists = Lists(
        package(
            f"linux-headers-{release}",
            (common, "1"),
            (kbuild, None),
            (f"linux-image-{release}", "1"),
            ("gcc-12", None),
        ),
        package(common, architecture="all"),
        package(kbuild),
    )
    names = [found.name for found in resolve(lists, release)]  # type: ignore[arg-type]
    assert names == [f"linux-headers-{release}", common, kbuild]
    # kbuild holds programs for the machine that builds, whatever it builds for.
    assert lists.asked == [f"linux-headers-{release}", f"{common}=1", f"{kbuild}:amd64"]


def test_security_suites_come_from_their_own_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KMODBOT_DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("KMODBOT_DEBIAN_SECURITY_MIRROR", "http://mirror.example/security")
    main, security = archives(["bookworm", "bookworm-updates", "bookworm-security"])
    assert (main.uri, main.suites) == (debian.MIRROR[1], ("bookworm", "bookworm-updates"))
    assert security.uri == "http://mirror.example/security"
    assert security.suites == ("bookworm-security",)
    assert f"Signed-By: {KEYRING}" in str(security)


@pytest.mark.parametrize(
    "address", ["mirror", "http://a\nSuites: x", "http://user:secret@mirror.example/"]
)
def test_an_address_that_is_none_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("KMODBOT_DEBIAN_MIRROR", address)
    with pytest.raises(BuildError, match=r"^KMODBOT_DEBIAN_MIRROR: expected") as caught:
        archives(["bookworm"])
    assert "secret" not in str(caught.value)


def test_a_debian_version_without_a_codename_is_left_to_other_sources(tmp_path: Path) -> None:
    with pytest.raises(HeadersNotFound, match="knows Debian 12, 13 only"):
        DebianSuites("suites", ("{codename}",)).releases("11", "x86_64", tmp_path)


def test_a_tree_for_usr_src_is_made_to_work_where_it_is(tmp_path: Path) -> None:
    source = tmp_path / "usr/src"
    path = source / "linux-headers-6.1.0-38-amd64"
    path.mkdir(parents=True)
    (path / "Makefile").write_text("include /usr/src/linux-headers-6.1.0-38-common/Makefile\n")
    (path / "tools").symlink_to("/usr/lib/linux-kbuild-6.1/tools")
    (path / "scripts").symlink_to("../../lib/linux-kbuild-6.1/scripts")
    make_relocatable(HeaderTree(path, tmp_path))
    included = source / "linux-headers-6.1.0-38-common/Makefile"
    assert (path / "Makefile").read_text() == f"include {included}\n"
    assert (path / "tools").readlink() == tmp_path / "usr/lib/linux-kbuild-6.1/tools"
    assert (path / "scripts").readlink() == Path("../../lib/linux-kbuild-6.1/scripts")


def test_a_package_without_the_kernels_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="holds no linux-headers-x/Makefile"):
        make_relocatable(HeaderTree(tmp_path / "usr/src/linux-headers-x", tmp_path))


def make_archive(root: Path, release: str) -> None:
    """Make a Debian archive of one package that nobody signed."""
    content = root / "content/DEBIAN"
    content.mkdir(parents=True)
    control = f"Package: linux-headers-{release}\nVersion: 1\nArchitecture: amd64\n"
    (content / "control").write_text(control + "Maintainer: nobody <n@localhost>\nDescription: x\n")
    deb = root / "headers.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(content.parent), str(deb)],
        check=True,
        capture_output=True,
    )
    data = deb.read_bytes()
    for suite in ("bookworm", "bookworm-updates"):
        lists = root / f"dists/{suite}/main/binary-amd64"
        lists.mkdir(parents=True)
        fields = f"Filename: headers.deb\nSize: {len(data)}\n"
        fields += f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"
        (lists / "Packages").write_text(control + fields)
        (root / f"dists/{suite}/Release").write_text(f"Suite: {suite}\nCodename: {suite}\n")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "mirror"
    root.mkdir()
    for variable, _ in (debian.MIRROR, debian.SECURITY_MIRROR):
        monkeypatch.setenv(variable, f"file://{root}")
    return root


def test_an_archive_that_is_not_signed_is_not_trusted(
    mirror: Path, tmp_path: Path, log: Log
) -> None:
    make_archive(mirror, "6.1.0-38-amd64")
    suites = DebianSuites("suites", ("{codename}", "{codename}-updates"))
    with pytest.raises(HeadersNotFound, match=r"lists cannot be read.*not signed"):
        suites.fetch(kernel(), tmp_path / "work", tmp_path / "cache", log)
    assert not list((tmp_path / "cache").glob("**/*.deb"))


def test_an_archive_that_is_not_there_is_named(mirror: Path, tmp_path: Path, log: Log) -> None:
    suites = DebianSuites("suites", ("{codename}",))
    with pytest.raises(HeadersNotFound, match=f"lists cannot be read.*{mirror}"):
        suites.fetch(kernel(), tmp_path / "work", tmp_path / "cache", log)
