"""What a module says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.loader.elf import check_module, read_module
from kmodbot.loader.failures import NotVerified

from .packages import RELEASE, VERMAGIC, compile_module

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_a_module_says_its_vermagic_and_machine(module: bytes) -> None:
    found = read_module(module)
    assert found.architecture == "x86_64"
    assert found.modinfo == {"license": "GPL", "vermagic": VERMAGIC}


def test_a_fitting_module_is_accepted_with_its_vermagic(module: bytes) -> None:
    assert check_module(module, RELEASE, "x86_64") == VERMAGIC.strip()


@pytest.mark.parametrize("release", ["6.1.0-38", "6.1.0-3", "6.1.0-38-amd64x", ""])
def test_a_module_for_another_kernel_is_refused(module: bytes, release: str) -> None:
    with pytest.raises(NotVerified, match=r"it is for kernel '6\.1\.0-38-amd64"):
        check_module(module, release, "x86_64")


def test_a_module_for_another_machine_is_refused(module: bytes) -> None:
    with pytest.raises(NotVerified, match="it is for x86_64, not aarch64"):
        check_module(module, RELEASE, "aarch64")


def test_a_module_without_vermagic_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotVerified, match="it is for kernel ''"):
        check_module(compile_module(tmp_path, ""), RELEASE, "x86_64")


def test_a_program_is_no_module() -> None:
    with pytest.raises(NotVerified, match=r"no \.modinfo"):
        read_module(Path("/proc/self/exe").read_bytes())


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"\x7fELF\x01\x01" + bytes(60), b"#!/bin/sh\n"]
)
def test_a_file_that_is_no_64_bit_elf_is_refused(content: bytes) -> None:
    with pytest.raises(NotVerified, match="not a 64-bit little-endian ELF file"):
        read_module(content)


@given(changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8))
def test_a_damaged_module_never_crashes_the_reader(
    module: bytes, changes: Sequence[tuple[int, int]]
) -> None:
    damaged = bytearray(module)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        read_module(bytes(damaged))
    except NotVerified as error:
        assert "no kernel module" in str(error)  # noqa: PT017 - either outcome is right


def test_a_module_cut_short_is_refused(module: bytes) -> None:
    for length in range(6, 64):
        with pytest.raises(NotVerified, match="damaged"):
            read_module(module[:length])
