"""The compiler is the one the kernel was built with, or the build says which it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import SUPPORTED, Kernel
from kmodbot.pipeline.compiler import COMPILERS, choose_compiler, wanted_major
from kmodbot.pipeline.errors import BuildError

from .conftest import kernel, put_program

if TYPE_CHECKING:
    from pathlib import Path

BOOKWORM = "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"
UBUNTU_HWE = "x86_64-linux-gnu-gcc-12 (Ubuntu 12.3.0-1ubuntu1~22.04) 12.3.0"
FEDORA = "gcc (GCC) 15.2.1 20251022 (Red Hat 15.2.1-3)"
CENTOS_9 = "gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5)"
AMAZON = "gcc (GCC) 11.4.1 20230605 (Red Hat 11.4.1-2)"
AMAZON_14 = "gcc14-gcc (GCC) 14.2.1 20250110 (Red Hat 14.2.1-7)"


@pytest.fixture(autouse=True)
def _an_x86_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def of(distribution: str, distro_version: str) -> Kernel:
    """Return a kernel of the distribution; its release does not matter here."""
    return Kernel(distribution, distro_version, "x86_64", "release")


@pytest.mark.parametrize(
    ("text", "major"),
    [
        (BOOKWORM, "12"),
        ("x86_64-linux-gnu-gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0", "12"),
        ("aarch64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0", "14"),
        ("gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0", "11"),
        (UBUNTU_HWE, "12"),
        ("gcc-12 (Ubuntu 12.3.0-1ubuntu1~22.04) 12.3.0", "12"),
        ("x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0-23ubuntu4) 13.2.0", "13"),
        ("x86_64-linux-gnu-gcc-13 (Ubuntu 13.3.0-6ubuntu2~24.04.1) 13.3.0", "13"),
        ("aarch64-linux-gnu-gcc (Ubuntu 15.2.0-16ubuntu1) 15.2.0", "15"),
        (FEDORA, "15"),
        (CENTOS_9, "11"),
        ("gcc (GCC) 14.3.1 20251022 (Red Hat 14.3.1-4)", "14"),
        (AMAZON, "11"),
        (AMAZON_14, "14"),
    ],
)
def test_the_major_version_is_read_from_the_kernels_configuration(text: str, major: str) -> None:
    assert wanted_major(text) == major


@pytest.mark.parametrize(
    "text", ["clang version 19.1.7", "Ubuntu clang version 19.1.1 (1ubuntu1~24.04.2)"]
)
def test_a_kernel_built_with_clang_is_refused_in_its_own_words(text: str) -> None:
    with pytest.raises(BuildError, match=r"was built with clang 19 .* works with gcc only"):
        wanted_major(text)


@pytest.mark.parametrize("text", ["", "icc 2021", "gcc"])
def test_a_compiler_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(BuildError, match="only kernels built with gcc"):
        wanted_major(text)


def test_the_versioned_compiler_comes_first(programs: Path) -> None:
    put_program(programs, "gcc-12", "12.2.0")
    put_program(programs, "gcc", "14.2.0")
    assert choose_compiler(BOOKWORM, kernel()).program == "gcc-12"


def test_a_plain_gcc_of_the_same_major_version_serves_too(programs: Path) -> None:
    put_program(programs, "gcc", "12.4.0")
    compiler = choose_compiler(BOOKWORM, kernel())
    assert (compiler.program, compiler.version) == ("gcc", "12.4.0")


@pytest.mark.parametrize(
    ("text", "there", "of", "program"),
    [
        (UBUNTU_HWE, {"gcc": "11.4.0", "gcc-12": "12.3.0"}, of("ubuntu", "22.04"), "gcc-12"),
        (FEDORA, {"gcc": "15.2.1"}, of("fedora", "43"), "gcc"),
        (CENTOS_9, {"gcc": "11.5.0"}, of("centos", "stream9"), "gcc"),
        (AMAZON, {"gcc": "11.5.0", "gcc14-gcc": "14.2.1"}, of("amazonlinux", "2023"), "gcc"),
        (AMAZON_14, {"gcc": "11.5.0", "gcc14-gcc": "14.2.1"}, of("amazonlinux", "2023"), "gcc14-"),
    ],
)
def test_each_distribution_has_its_own_names(
    programs: Path, text: str, there: dict[str, str], of: Kernel, program: str
) -> None:
    for name, version in there.items():
        put_program(programs, name, version)
    assert choose_compiler(text, of).program.startswith(program)


def test_a_toolset_of_centos_is_found_outside_the_path(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolset = "/opt/rh/gcc-toolset-13/root/usr/bin/gcc"
    put_program(programs, "gcc", "11.5.0")
    put_program(programs, "gcc-of-the-toolset", "13.3.1")
    found = {"gcc": programs / "gcc", toolset: programs / "gcc-of-the-toolset"}
    monkeypatch.setattr(
        "kmodbot.pipeline.compiler.find_program", lambda name: str(found.get(name, "")) or None
    )
    text = "gcc (GCC) 13.3.1 20240611 (Red Hat 13.3.1-2)"
    assert choose_compiler(text, of("centos", "stream9")).program == toolset


@pytest.mark.parametrize(
    ("text", "of", "install"),
    [
        (BOOKWORM, of("debian", "12"), "on debian 12: apt-get install gcc-12"),
        (UBUNTU_HWE, of("ubuntu", "22.04"), "on ubuntu 22.04: apt-get install gcc-12"),
        (FEDORA, of("fedora", "43"), "on fedora 43: dnf install gcc"),
        (CENTOS_9, of("centos", "stream9"), "on centos stream9: dnf install gcc"),
        (
            CENTOS_9,
            of("centos", "stream10"),
            "on centos stream10: dnf install gcc-toolset-11-gcc gcc-toolset-11-binutils",
        ),
        (AMAZON, of("amazonlinux", "2023"), "on amazonlinux 2023: dnf install gcc"),
        (AMAZON_14, of("amazonlinux", "2023"), "on amazonlinux 2023: dnf install gcc14"),
    ],
)
def test_a_missing_compiler_is_named_with_the_command_that_installs_it(
    programs: Path, text: str, of: Kernel, install: str
) -> None:
    put_program(programs, "gcc", "9.4.0")
    with pytest.raises(BuildError) as caught:
        choose_compiler(text, of)
    message = str(caught.value)
    assert message.startswith(f"the kernel was built with {text!r}, so the build needs gcc ")
    assert message.endswith(install)


def test_every_distribution_says_where_its_compilers_are() -> None:
    assert COMPILERS.keys() == SUPPORTED.keys()


def test_another_architecture_needs_the_cross_compiler(programs: Path) -> None:
    put_program(programs, "gcc-12", "12.2.0")
    arm = kernel("6.1.0-38-arm64", "aarch64")
    with pytest.raises(BuildError, match=r"apt-get install gcc-12-aarch64-linux-gnu$"):
        choose_compiler(BOOKWORM, arm)
    put_program(programs, "aarch64-linux-gnu-gcc-12", "12.2.0")
    assert choose_compiler(BOOKWORM, arm).cross_prefix == "aarch64-linux-gnu-"
