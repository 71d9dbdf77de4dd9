"""A module is read and checked before it is packed."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.pipeline.checks import Surroundings, collect_modules, surroundings
from kmodbot.pipeline.checks import check_module as check_one
from kmodbot.pipeline.driver_file import DriverFile
from kmodbot.pipeline.elf import read_module
from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.symvers import Symbols

from .conftest import build_request, written
from .test_headers import make_tree

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.elf import Module
    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log

HELLO = DriverFile(name="hello", modules=("hello",))
VERMAGIC = "vermagic=6.1.0-38-amd64 SMP"
ALONE = Surroundings(
    kernel=Symbols({"_printk": 0x1234, "usb_alloc": 0x99}, frozenset({"vmlinux", "usb_core"})),
    driver=Symbols({}, frozenset()),
    packed=frozenset({"hello"}),
    with_checksums=False,
)
WITH_CHECKSUMS = replace(ALONE, with_checksums=True)


def check_module(path: Path, request: Request, log: Log, around: Surroundings = ALONE) -> Module:
    """Check a module of the driver hello."""
    return check_one(path, request, HELLO, around, log)


def versions(**checksums: int) -> str:
    """Return C code for the table of checksums a module carries."""
    rows = ", ".join(f'{{ {checksum}, "{name}" }}' for name, checksum in checksums.items())
    return (
        "struct version { unsigned long crc; char name[56]; };\n"
        f'__attribute__((section("__versions"))) struct version versions[] = {{ {rows} }};\n'
    )


def make_module(path: Path, *entries: str, code: str = "") -> Path:
    """Compile an object file that says `entries` about itself, as a module does."""
    text = "\\0".join(entries)
    source = f'__attribute__((section(".modinfo"))) const char info[] = "{text}";\n{code}'
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


def test_two_different_modules_of_one_name_are_refused(tmp_path: Path, log: Log) -> None:
    for directory, content in (("one", b"1"), ("two", b"2")):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "hello.ko").write_bytes(content)
    with pytest.raises(BuildError, match=r"two different hello\.ko: one/hello\.ko and two/hello"):
        collect_modules(tmp_path, HELLO, log)


def test_the_same_module_in_two_places_is_no_problem(tmp_path: Path, log: Log) -> None:
    for path in (tmp_path / "hello.ko", tmp_path / "install" / "hello.ko"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"module")
    assert collect_modules(tmp_path, HELLO, log) == [tmp_path / "hello.ko"]


CALLS = "void f(void); void g(void) { f(); }\n"


def test_a_symbol_the_kernel_does_not_have_is_an_error(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", VERMAGIC, code=CALLS)
    with pytest.raises(BuildError, match=r"^hello\.ko: the kernel has no f; it could not be"):
        check_module(path, build_request(), log)


@pytest.mark.parametrize("place", ["kernel", "driver"])
def test_symbols_may_come_from_the_kernel_or_from_the_driver(
    tmp_path: Path, log: Log, place: str
) -> None:
    path = make_module(tmp_path / "hello.ko", VERMAGIC, code=CALLS)
    has_it = Symbols({"f": 1}, frozenset())
    around = replace(ALONE, kernel=has_it) if place == "kernel" else replace(ALONE, driver=has_it)
    check_module(path, build_request(), log, around)


def test_weak_symbols_may_be_missing(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", VERMAGIC, code=f"#pragma weak f\n{CALLS}")
    check_module(path, build_request(), log)


def test_many_missing_symbols_do_not_fill_the_screen(tmp_path: Path, log: Log) -> None:
    calls = "".join(f"void f{n}(void); void g{n}(void) {{ f{n}(); }}\n" for n in range(10))
    path = make_module(tmp_path / "hello.ko", VERMAGIC, code=calls)
    with pytest.raises(BuildError, match="no f0, f1, f2, f3, f4, f5, f6, f7 and 2 more;"):
        check_module(path, build_request(), log)


@pytest.mark.parametrize(
    ("depends", "missing"),
    [("", None), ("usb-core", None), ("hello", None), ("usb-core,helper", "helper")],
)
def test_a_module_it_depends_on_must_be_the_kernels_or_packed(
    tmp_path: Path, log: Log, depends: str, missing: str | None
) -> None:
    path = make_module(tmp_path / "hello.ko", VERMAGIC, f"depends={depends}")
    if missing is None:
        check_module(path, build_request(), log)
    else:
        with pytest.raises(BuildError, match=f"depends on {missing}, which is neither"):
            check_module(path, build_request(), log)


def test_a_kernel_with_symbol_checksums_wants_them_in_the_module(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", VERMAGIC)
    with pytest.raises(BuildError, match="CONFIG_MODVERSIONS; it was not built with the Module"):
        check_module(path, build_request(), log, WITH_CHECKSUMS)


def test_matching_checksums_are_accepted(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", VERMAGIC, code=versions(_printk=0x1234))
    assert check_module(path, build_request(), log, WITH_CHECKSUMS).checksums == {"_printk": 0x1234}


def test_a_checksum_of_another_kernel_is_refused(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", VERMAGIC, code=versions(_printk=0x4321))
    with pytest.raises(BuildError, match="built against another _printk than the kernel has"):
        check_module(path, build_request(), log, WITH_CHECKSUMS)


@pytest.mark.parametrize("checksum", [0x1234, 0x4321])
def test_checksums_of_the_newer_kind_are_read_too(tmp_path: Path, log: Log, checksum: int) -> None:
    code = (
        f'__attribute__((section("__version_ext_crcs"))) unsigned crcs[] = {{ {checksum}, 7 }};\n'
        '__attribute__((section("__version_ext_names"))) char names[] = "_printk\\0other";\n'
    )
    path = make_module(tmp_path / "hello.ko", VERMAGIC, code=code)
    if checksum == ALONE.kernel.checksums["_printk"]:
        module = check_module(path, build_request(), log, WITH_CHECKSUMS)
        assert module.checksums == {"_printk": checksum, "other": 7}
    else:
        with pytest.raises(BuildError, match="built against another _printk"):
            check_module(path, build_request(), log, WITH_CHECKSUMS)


def test_promised_parameters_must_be_there(tmp_path: Path, log: Log) -> None:
    path = make_module(tmp_path / "hello.ko", VERMAGIC, "parmtype=whom:charp", "parm=whom:greeted")
    promised = replace(HELLO, parameters={"hello": ("whom",)})
    check_one(path, build_request(), promised, ALONE, log)
    broken = replace(HELLO, parameters={"hello": ("whom", "times")})
    with pytest.raises(BuildError, match=r"has no parameter times; it has whom \(driver\.yml"):
        check_one(path, build_request(), broken, ALONE, log)


def test_the_surroundings_come_from_the_symvers_files(tmp_path: Path) -> None:
    headers = make_tree(tmp_path / "headers")
    (headers.path / "Module.symvers").write_text(
        "0x00001234\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n"
        "0x00000099\tusb_alloc\tdrivers/usb/core/usb-core\tEXPORT_SYMBOL_GPL\tNS\n"
    )
    build = tmp_path / "build"
    build.mkdir()
    (build / "Module.symvers").write_text("0x00000001\tmine\t/build/hello\tEXPORT_SYMBOL\t\n")
    around = surroundings(headers, build, ["hello"])
    assert around.kernel == ALONE.kernel
    assert around.driver.checksums == {"mine": 1}
    assert around.with_checksums
