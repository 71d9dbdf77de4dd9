"""Paths of this machine get the same names in every build."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.headers import HeaderTree
from kmodbot.pipeline.paths import path_maps, starts_in_driver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD, NEW = "6.12.117+deb12-amd64", "6.13.0-1-amd64"


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("5.14.0-427.el9.x86_64", False),
        ("6.1.0-38-amd64", False),
        ("6.12.58-82.121.amzn2023.x86_64", False),
        ("6.13.0-1-amd64", True),
        ("6.17.1-300.fc43.x86_64", True),
        ("7.0.0-10-generic", True),
    ],
)
def test_where_the_compiler_is_started_depends_on_the_kernel(release: str, expected: bool) -> None:
    assert starts_in_driver(release) is expected


class Tree:
    """A header and a driver that uses it, in a work directory of any name."""

    def __init__(self, work: Path, release: str) -> None:
        self.source = work / "source"
        self.directory = self.source / "sub"
        root = work / "headers-0"
        self.headers = HeaderTree(root / "usr/src/linux-headers-x", root)
        common = root / "usr/src/linux-headers-common"
        for place in (self.directory, self.source / "include", self.headers.path, common):
            place.mkdir(parents=True)
        where = "static inline const char *{}(void) {{ return __FILE__; }}\n"
        (common / "kernel.h").write_text(where.format("kernel"))
        (self.source / "include" / "own.h").write_text(where.format("own"))
        (self.directory / "hello.c").write_text(
            '#include "kernel.h"\n#include "own.h"\n'
            "const char *all(int n) { return n > 2 ? kernel() : n > 1 ? own() : __FILE__; }\n"
        )
        self.includes = [common, self.source / "include"]
        self.cwd = self.directory if starts_in_driver(release) else self.headers.path
        self.maps = path_maps(self.source, self.directory, self.headers, release)

    def compile(self, *, relative: bool) -> bytes:
        """Return the object file with its debug data."""
        spell = _relative_to(self.cwd) if relative else str
        target = self.directory / "hello.o"
        includes = [f"-I{spell(place)}" for place in self.includes]
        source = spell(self.directory / "hello.c")
        words = ["gcc", "-g", "-O2", "-c", *includes, *self.maps, "-gno-record-gcc-switches"]
        command = [*words, "-o", str(target), source]
        subprocess.run(command, cwd=self.cwd, check=True, env={"PATH": "/usr/bin:/bin"})
        return target.read_bytes()


def _relative_to(cwd: Path) -> Callable[[Path], str]:
    return lambda place: os.path.relpath(place, cwd)


@pytest.mark.parametrize("release", [OLD, NEW])
def test_work_directories_and_spellings_leave_no_trace(tmp_path: Path, release: str) -> None:
    one, two = Tree(tmp_path / "one", release), Tree(tmp_path / "another" / "place", release)
    plain = one.compile(relative=False)
    assert two.compile(relative=False) == plain
    # As ccache hands them to the compiler.
    assert one.compile(relative=True) == plain
    assert str(tmp_path).encode() not in plain
    for name in (b"/headers/usr/src/linux-headers-common/kernel.h", b"../include/own.h"):
        assert name in plain
