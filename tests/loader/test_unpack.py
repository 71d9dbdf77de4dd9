"""Modules out of packages, and what is not let out of them."""

from __future__ import annotations

import gzip
import io
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodbot.loader.failures import NotVerified
from kmodbot.loader.unpack import modules_of

from .packages import MODULE_PATH, REGULAR, ar, deb_of, make_package, rpm_of, tar_member

if TYPE_CHECKING:
    from pathlib import Path


def _modules(directory: Path, package: bytes, extension: str = "deb") -> dict[str, bytes]:
    file = directory / "partial"
    file.write_bytes(package)
    return modules_of(file, f"hello.{extension}")


@pytest.mark.parametrize("extension", ["deb", "rpm"])
@pytest.mark.parametrize("compression", ["gzip", "xz"])
def test_a_module_is_found_in_a_real_package(
    tmp_path: Path, extension: str, compression: str
) -> None:
    package = make_package(tmp_path, b"module", extension, compression)
    assert _modules(tmp_path, package, extension) == {MODULE_PATH: b"module"}


@pytest.mark.parametrize("compression", ["none", "gzip", "xz"])
def test_a_module_is_found_in_a_package_of_dpkg_deb(tmp_path: Path, compression: str) -> None:
    tree, target = tmp_path / "tree", tmp_path / "hello.deb"
    module = tree / "usr" / MODULE_PATH
    module.parent.mkdir(parents=True)
    module.write_bytes(b"module")
    (tree / "usr/share/doc/hello").mkdir(parents=True)
    (tree / "usr/share/doc/hello/copyright").write_text("GPL")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: hello\nVersion: 0.1\nArchitecture: amd64\nMaintainer: a <a@b.example>\n"
        "Description: a driver\n"
    )
    command = ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", str(tree), str(target)]
    subprocess.run(command, check=True, capture_output=True)
    assert modules_of(target, "hello.deb") == {f"usr/{MODULE_PATH}": b"module"}


@pytest.mark.parametrize("extension", ["deb", "rpm"])
def test_zstd_is_refused_by_name(tmp_path: Path, extension: str) -> None:
    package = make_package(tmp_path, b"module", extension, "zstd")
    with pytest.raises(NotVerified, match="compressed with zstd"):
        _modules(tmp_path, package, extension)


HOSTILE_PATHS = [
    "/etc/cron.d/x",
    f"/{MODULE_PATH}",
    "../../etc/passwd",
    "lib/modules/../../etc/x.ko",
    "lib/modules/./x.ko",
    "lib/modules//x.ko",
    "./../x",
    "..",
    "lib/modules/a\nb.ko",
    "lib/modules/\x1b[2J.ko",
]


@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=ascii)
def test_a_deb_that_leads_elsewhere_is_refused_whole(tmp_path: Path, path: str) -> None:
    good = (tar_member(MODULE_PATH), b"module")
    with pytest.raises(NotVerified, match="leads elsewhere"):
        _modules(tmp_path, deb_of([good, (tar_member(path), b"x")]))


@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=ascii)
def test_an_rpm_that_leads_elsewhere_is_refused_whole(tmp_path: Path, path: str) -> None:
    package = rpm_of([(MODULE_PATH, REGULAR, b"module"), (path, REGULAR, b"x")])
    with pytest.raises(NotVerified, match="leads elsewhere"):
        _modules(tmp_path, package, "rpm")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_a_deb_with_links_or_devices_is_refused(tmp_path: Path, kind: bytes) -> None:
    member = tar_member(MODULE_PATH, kind, "/etc/passwd")
    with pytest.raises(NotVerified, match="neither file nor directory"):
        _modules(tmp_path, deb_of([(member, b"")]))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, 0])
def test_an_rpm_with_links_or_devices_is_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(NotVerified, match="neither file nor directory"):
        _modules(tmp_path, rpm_of([(MODULE_PATH, kind | 0o777, b"/etc/passwd")]), "rpm")


def test_files_that_are_no_modules_stay_inside(tmp_path: Path) -> None:
    members = [
        ("./lib/modules", stat.S_IFDIR | 0o755, b""),
        ("./etc/cron.d/hello", REGULAR, b"* * * * * root reboot"),
        ("./lib/modules/6.1.0-38-amd64/modules.dep", REGULAR, b""),
        (f"./{MODULE_PATH}", REGULAR, b"module"),
    ]
    assert _modules(tmp_path, rpm_of(members), "rpm") == {MODULE_PATH: b"module"}


def test_a_package_without_a_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotVerified, match="holds no kernel module"):
        _modules(tmp_path, deb_of([(tar_member("usr/bin/hello"), b"x")]))


def test_a_module_that_stands_twice_is_refused(tmp_path: Path) -> None:
    member = (tar_member(MODULE_PATH), b"module")
    with pytest.raises(NotVerified, match="stands in it twice"):
        _modules(tmp_path, deb_of([member, member]))


def test_a_package_that_unfolds_beyond_measure_is_refused(tmp_path: Path) -> None:
    tar = io.BytesIO()
    huge = tarfile.TarInfo("usr/share/zeros")
    huge.size = 300 << 20
    tar.write(huge.tobuf())
    package = ar([("debian-binary", b"2.0\n"), ("data.tar.gz", gzip.compress(tar.getvalue()))])
    with pytest.raises(NotVerified, match="more than 256 MiB"):
        _modules(tmp_path, package)


_DATA_HEADER = b"!<arch>\n" + b"data.tar".ljust(48)


@pytest.mark.parametrize(
    "package",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"!<arch>\n", id="no members"),
        pytest.param(b"<html>not a package</html>", id="no archive"),
        pytest.param(ar([("debian-binary", b"2.0\n")]), id="no data"),
        pytest.param(ar([("data.tar.gz", b"not gzip")]), id="not compressed"),
        pytest.param(ar([("data.tar.gz", gzip.compress(b"not tar")[:-10])]), id="cut gzip"),
        pytest.param(ar([("data.tar.gz", gzip.compress(b"not tar" * 99))]), id="no tar"),
        pytest.param(ar([("data.tar.xz", b"\xfd7zXZ\x00broken")]), id="broken xz"),
        pytest.param(_DATA_HEADER + b"-5        `\n", id="negative size"),
        pytest.param(_DATA_HEADER + b"9999999999`\n", id="impossible size"),
        pytest.param(_DATA_HEADER + b"abc       `\n", id="no size"),
    ],
)
def test_a_broken_deb_is_refused(tmp_path: Path, package: bytes) -> None:
    with pytest.raises(NotVerified):
        _modules(tmp_path, package)


def test_what_follows_the_end_of_an_archive_is_refused(tmp_path: Path) -> None:
    package = rpm_of([(MODULE_PATH, REGULAR, b"module")]) + gzip.compress(bytes(1 << 17))
    with pytest.raises(NotVerified, match="follows the end"):
        _modules(tmp_path, package, "rpm")


@settings(max_examples=300)
@given(cut=st.integers(0, 400), flip=st.integers(0, 400))
def test_no_damage_to_an_rpm_goes_unnoticed_or_crashes(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int
) -> None:
    package = bytearray(rpm_of([(f"./{MODULE_PATH}", REGULAR, b"module")]))
    package[flip % len(package)] ^= 0xFF
    damaged = bytes(package[: max(0, len(package) - cut)])
    directory = tmp_path_factory.getbasetemp()
    try:
        assert _modules(directory, damaged, "rpm") == {MODULE_PATH: b"module"}
    except NotVerified as error:
        assert str(error)  # noqa: PT017 - either outcome is right, a crash is not
