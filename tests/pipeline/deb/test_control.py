"""Package lists and package files are read; only what headers need is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers.control import (
    DebPackage,
    parse_depends,
    parse_packages,
    read_package,
)

from .archives import Deb, build

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_package_says_of_itself_what_a_list_would(tmp_path: Path) -> None:
    path = build(Deb("linux-headers-x", "1~2", "all", "linux-headers-y (= 1~2)"), tmp_path)
    depends = (("linux-headers-y", "1~2"),)
    assert read_package(path) == DebPackage("linux-headers-x", "1~2", "all", depends)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.deb"
    path.write_text("<html>")
    with pytest.raises(HeadersNotFound, match="no Debian package"):
        read_package(path)


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
    ("name", "needed"),
    [
        ("linux-headers-6.1.0-38-common-rt", True),
        ("linux-kbuild-6.12.38+deb12", True),
        ("linux-headers-6.8.0-63", True),
        ("linux-hwe-6.8-headers-6.8.0-63", True),
        ("linux-azure-6.8-headers-6.8.0-1021", True),
        ("linux-intel-iotg-headers-5.15.0-1043", True),
        ("linux-image-6.1.0-38-amd64", False),
        ("linux-base", False),
        ("libc6", False),
    ],
)
def test_only_headers_and_the_programs_of_their_build_are_needed(name: str, needed: bool) -> None:
    package = DebPackage("linux-headers-x", "1", "amd64", ((name, None),))
    assert bool(package.needed) is needed
