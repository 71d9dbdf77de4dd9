"""Headers can only be used where the programs among them run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import BuildError

from .test_headers import make_tree

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.headers import HeaderTree

# The beginnings of ELF files for x86_64 and aarch64.
X86, ARM = (
    b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + machine + bytes(44)
    for machine in (b"\x3e\x00", b"\xb7\x00")
)


def tree_with(path: Path, **programs: bytes) -> HeaderTree:
    tree = make_tree(path / "kernel-devel")
    for name, place in (("fixdep", "scripts/basic"), ("modpost", "scripts/mod")):
        (tree.path / place).mkdir(parents=True)
        if name in programs:
            (tree.path / place / name).write_bytes(programs[name])
    return tree


def test_programs_of_this_machine_are_accepted(tmp_path: Path) -> None:
    tree_with(tmp_path, fixdep=X86, modpost=X86).check_programs("x86_64")


@pytest.mark.parametrize("programs", [{"fixdep": ARM}, {"fixdep": X86, "modpost": ARM}], ids=str)
def test_programs_of_another_machine_are_refused_before_make_trips_over_them(
    tmp_path: Path, programs: dict[str, bytes]
) -> None:
    with pytest.raises(BuildError) as caught:
        tree_with(tmp_path, **programs).check_programs("x86_64")
    assert str(caught.value).startswith(
        "the headers in kernel-devel hold programs for aarch64, which this x86_64 machine cannot"
    )
    assert "build on an aarch64 machine" in str(caught.value)


def test_a_script_in_their_place_runs_everywhere(tmp_path: Path) -> None:
    script = b"#!/bin/sh\n"
    tree_with(tmp_path, fixdep=script, modpost=script).check_programs("aarch64")


def test_headers_without_the_programs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="in kernel-devel lack scripts/mod/modpost"):
        tree_with(tmp_path, fixdep=X86).check_programs("x86_64")
