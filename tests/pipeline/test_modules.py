"""A module is read and checked before it is packed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.pipeline.checks import check_module, collect_modules
from kmodbot.pipeline.driver_file import DriverFile
from kmodbot.pipeline.elf import read_module
from kmodbot.pipeline.errors import BuildError

from .conftest import build_request, written

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.phases import Log

HELLO = DriverFile(name="hello", modules=("hello",))


def make_module(path: Path, *entries: str) -> Path:
    """Compile an object file that says `entries` about itself, as a module does."""
    text = "\\0".join(entries)
    source = f'__attribute__((section(".modinfo"))) const char info[] = "{text}";\n'
    subprocess.run(
        ["gcc", "-x", "c", "-c", "-o", str(path), "-"], input=source.encode(), check=True
    )
    return path


def test_a_module_of_the_kernel_is_accepted(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", "vermagic=6.1.0-38-amd64 SMP preempt ")
    module = check_module(path, build_request(), log)
    assert module.architecture == "x86_64"
    assert "check: hello.ko: 6.1.0-38-amd64 SMP preempt (x86_64)" in written(log)


def test_a_module_of_another_kernel_is_refused(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", "vermagic=6.1.0-38-amd64-custom SMP")
    with pytest.raises(
        BuildError, match=r"names '6\.1\.0-38-amd64-custom', but '6\.1\.0-38-amd64'"
    ):
        check_module(path, build_request(), log)


def test_a_module_without_vermagic_is_refused(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", "license=GPL")
    with pytest.raises(BuildError, match="names 'no kernel'"):
        check_module(path, build_request(), log)


def test_a_module_of_another_architecture_is_refused(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", "vermagic=6.1.0-38-amd64 SMP")
    content = bytearray(path.read_bytes())
    content[18:20] = (183).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(BuildError, match="built for aarch64, but x86_64 was asked for"):
        check_module(path, build_request(), log)


@pytest.mark.parametrize(("said", "noted"), [("0.1.0", False), ("v0.1.0", False), ("9.9", True)])
def test_a_differing_module_version_is_noted(
    tmp_path: Path, log: Log, said: str, noted: bool
) -> None:
    path = make_module(tmp_path / "hello.ko", "vermagic=6.1.0-38-amd64 SMP", f"version={said}")
    check_module(path, build_request(), log)
    assert bool(log.notes) is noted


def test_an_object_file_without_modinfo_is_no_module(tmp_path: Path, log: Log) -> None:
    path = tmp_path / "hello.ko"
    subprocess.run(["gcc", "-x", "c", "-c", "-o", str(path), "-"], input=b"int a;", check=True)
    with pytest.raises(BuildError, match=r"hello\.ko: the file has no \.modinfo"):
        check_module(path, build_request(), log)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_elf_file_are_refused(content: bytes) -> None:
    with pytest.raises(BuildError, match="not a 64-bit ELF file"):
        read_module(content)


def test_a_module_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    content = make_module(tmp_path / "hello.ko", "vermagic=6.1.0-38-amd64").read_bytes()
    for end in range(0, len(content), 7):
        with pytest.raises(BuildError):
            read_module(content[:end])


def test_a_module_that_was_not_built_is_named(tmp_path: Path, log: Log) -> None:
    (tmp_path / "other.ko").touch()
    with pytest.raises(BuildError, match=r"did not make hello\.ko; it made other\.ko"):
        collect_modules(tmp_path, HELLO, log)


def test_a_module_that_driver_yml_does_not_name_is_not_packed(tmp_path: Path, log: Log) -> None:
    for name in ("hello.ko", "extra.ko"):
        (tmp_path / name).touch()
    assert collect_modules(tmp_path, HELLO, log) == [tmp_path / "hello.ko"]
    assert log.notes == ["not packed, because driver.yml does not name them: extra"]
