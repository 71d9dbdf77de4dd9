"""The compiler is the one the kernel was built with, or the build says which it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.compiler import choose_compiler, wanted_major
from kmodbot.pipeline.errors import BuildError

from .conftest import put_program

if TYPE_CHECKING:
    from pathlib import Path

BOOKWORM = "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"


@pytest.fixture(autouse=True)
def _an_x86_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


@pytest.mark.parametrize(
    ("text", "major"),
    [
        (BOOKWORM, "12"),
        ("x86_64-linux-gnu-gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0", "12"),
        ("aarch64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0", "14"),
        ("x86_64-linux-gnu-gcc-13 (Ubuntu 13.3.0-6ubuntu2~24.04) 13.3.0", "13"),
        ("gcc (GCC) 15.2.1 20251022 (Red Hat 15.2.1-3)", "15"),
        ("clang version 19.1.7", None),
        ("", None),
    ],
)
def test_the_major_version_is_read_from_the_kernels_configuration(
    text: str, major: str | None
) -> None:
    if major is None:
        with pytest.raises(BuildError, match="only kernels built with gcc"):
            wanted_major(text)
    else:
        assert wanted_major(text) == major


def test_the_versioned_compiler_comes_first(programs: Path) -> None:
    put_program(programs, "gcc-12", "12.2.0")
    put_program(programs, "gcc", "14.2.0")
    assert choose_compiler(BOOKWORM, "x86_64").program == "gcc-12"


def test_a_plain_gcc_of_the_same_major_version_serves_too(programs: Path) -> None:
    put_program(programs, "gcc", "12.4.0")
    compiler = choose_compiler(BOOKWORM, "x86_64")
    assert (compiler.program, compiler.version) == ("gcc", "12.4.0")


def test_a_compiler_of_another_version_is_not_used_but_the_right_one_named(programs: Path) -> None:
    put_program(programs, "gcc", "11.4.0")
    with pytest.raises(BuildError, match="needs gcc-12, which is missing; apt-get install gcc-12"):
        choose_compiler(BOOKWORM, "x86_64")


def test_another_architecture_needs_the_cross_compiler(programs: Path) -> None:
    put_program(programs, "gcc-12", "12.2.0")
    with pytest.raises(BuildError, match=r"apt-get install gcc-12-aarch64-linux-gnu$"):
        choose_compiler(BOOKWORM, "aarch64")
    put_program(programs, "aarch64-linux-gnu-gcc-12", "12.2.0")
    compiler = choose_compiler(BOOKWORM, "aarch64")
    assert compiler.cross_prefix == "aarch64-linux-gnu-"
