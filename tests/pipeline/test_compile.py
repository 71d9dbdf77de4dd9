"""What make is told, and what it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kmodbot.pipeline.build import source_epoch
from kmodbot.pipeline.commands import CommandFailed, capture, clean_environment, stream
from kmodbot.pipeline.compile import (
    Job,
    Sources,
    btf_settings,
    compile_modules,
    copy_sources,
    kbuild_settings,
    own_environment,
)
from kmodbot.pipeline.compiler import Compiler
from kmodbot.pipeline.driver_file import DriverFile
from kmodbot.pipeline.errors import BadInput

from .conftest import build_request, put_program, written
from .test_headers import make_tree

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.headers import HeaderTree
    from kmodbot.pipeline.phases import Log

BTF = "CONFIG_DEBUG_INFO_BTF_MODULES=y\n"


@pytest.fixture
def headers(tmp_path: Path) -> HeaderTree:
    tree = make_tree(tmp_path / "headers", BTF)
    (tree.path / "vmlinux").touch()
    return tree


def job(headers: HeaderTree, tmp_path: Path, **about: Any) -> Job:
    """Return the compilation of a driver whose source is in a copy below tmp_path."""
    driver_file = DriverFile(name="hello", modules=("hello",), directory="driver", **about)
    return Job(
        request=build_request(),
        driver_file=driver_file,
        sources=Sources(tmp_path, tmp_path / "source"),
        headers=headers,
        compiler=Compiler("gcc-12", "", "12.2.0"),
        cache=None,
        epoch=1700000000,
    )


def test_without_pahole_btf_is_left_out_and_that_is_noted(
    headers: HeaderTree, programs: Path, log: Log
) -> None:
    assert btf_settings(headers, log) == ["CONFIG_DEBUG_INFO_BTF_MODULES="]
    assert log.notes == ["BTF: left out, because pahole is missing (install pahole or dwarves)"]


def test_with_pahole_the_kernels_own_setting_stands(
    headers: HeaderTree, programs: Path, log: Log
) -> None:
    put_program(programs, "pahole")
    assert btf_settings(headers, log) == []
    assert log.notes == ["BTF: included"]


def test_headers_without_vmlinux_need_no_setting(
    headers: HeaderTree, programs: Path, log: Log
) -> None:
    (headers.path / "vmlinux").unlink()
    assert btf_settings(headers, log) == []


def test_the_cross_prefix_is_given_only_when_crossing(headers: HeaderTree, tmp_path: Path) -> None:
    native = kbuild_settings(job(headers, tmp_path))
    arm = Compiler("aarch64-linux-gnu-gcc-12", "aarch64-linux-gnu-", "12.2.0")
    cross = kbuild_settings(replace(job(headers, tmp_path), compiler=arm))
    assert native[0] == "CC=gcc-12"
    assert not any(setting.startswith("CROSS_COMPILE") for setting in native)
    assert "CROSS_COMPILE=aarch64-linux-gnu-" in cross


def test_the_checkout_is_copied_without_its_history(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".git").mkdir(parents=True)
    (checkout / "hello.c").write_text("int x;")
    sources = copy_sources(checkout, tmp_path / "work")
    assert [path.name for path in sources.copy.iterdir()] == ["hello.c"]


def test_programs_get_neither_tokens_nor_settings_of_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "MAKEFLAGS", "CROSS_COMPILE", "KCFLAGS"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in clean_environment().values()


def test_a_failed_program_shows_what_it_said() -> None:
    with pytest.raises(CommandFailed, match=r"ended with status 3:\nwhy"):
        capture(["sh", "-c", "echo why >&2; exit 3"])


def test_lines_are_handed_over_and_the_last_ones_shown_on_failure() -> None:
    lines: list[str] = []
    with pytest.raises(CommandFailed) as caught:
        stream(["sh", "-c", "echo 1; echo 2; echo 3; exit 1"], on_line=lines.append, tail=2)
    assert lines == ["1", "2", "3"]
    assert caught.value.output == "2\n3"


def test_a_build_that_is_interrupted_stops_its_compilers(tmp_path: Path) -> None:
    marker = tmp_path / "stopped"
    script = 'trap "touch $0; kill $!; exit" TERM; sleep 60 & echo ready; wait'

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream(["sh", "-c", script, str(marker)], on_line=interrupt)
    assert marker.exists()


def test_the_time_of_the_files_is_the_last_commit_s(tmp_path: Path) -> None:
    assert source_epoch(tmp_path, {}) == 0
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=n@localhost"]
    capture([*git, "init", "-q"])
    date = {"GIT_COMMITTER_DATE": "1700000000 +0000", "GIT_AUTHOR_DATE": "1600000000 +0000"}
    capture([*git, "commit", "-q", "--allow-empty", "-m", "first"], environment=date)
    assert source_epoch(tmp_path, {}) == 1700000000
    assert source_epoch(tmp_path, {"SOURCE_DATE_EPOCH": "5"}) == 5


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^SOURCE_DATE_EPOCH: expected seconds"):
        source_epoch(tmp_path, {"SOURCE_DATE_EPOCH": "yesterday"})


def test_make_is_told_the_kernel_the_compiler_and_a_fixed_time(
    headers: HeaderTree, programs: Path, log: Log, tmp_path: Path
) -> None:
    script = '#!/bin/sh\nfor word; do echo "$word"; done\nexport -p\n'
    (programs / "make").write_text(script)
    (programs / "make").chmod(0o755)
    compile_modules(job(headers, tmp_path, make=("A=b",)), log)
    said = [line.strip() for line in written(log).splitlines()]
    assert f"--directory={headers.path}" in said
    assert f"M={tmp_path}/source/driver" in said
    assert {"CC=gcc-12", "A=b", "modules"} <= set(said)
    exported = [line for line in said if line.startswith("export ")]
    assert "export DRIVER_VERSION='v0.1.0'" in exported
    assert "export SOURCE_DATE_EPOCH='1700000000'" in exported
    # pahole works in parallel without it, and its BTF differs from build to build.
    assert "export KBUILD_BUILD_TIMESTAMP='@1700000000'" in exported


def test_a_build_command_of_the_driver_s_own_runs_in_its_directory(
    headers: HeaderTree, log: Log, tmp_path: Path
) -> None:
    directory = tmp_path / "source" / "driver"
    directory.mkdir(parents=True)
    script = directory / "build.sh"
    script.write_text('#!/bin/sh\npwd\necho "$1"\nenv\n')
    script.chmod(0o755)
    compile_modules(job(headers, tmp_path, build=("./build.sh", "$(id); `id`")), log)
    said = [line.strip() for line in written(log).splitlines()]
    assert str(directory) in said
    # The words are handed over as they are.
    assert "$(id); `id`" in said
    assert {
        f"KERNEL_DIR={headers.path}",
        "KERNEL_VERSION=6.1.0-38-amd64",
        "DRIVER_VERSION=v0.1.0",
        "ARCH=x86_64",
        "CROSS_COMPILE=",
        "CC=gcc-12",
        "SOURCE_DATE_EPOCH=1700000000",
    } <= set(said)


def test_a_makefile_of_the_driver_s_own_hands_the_settings_on(
    headers: HeaderTree, log: Log, tmp_path: Path
) -> None:
    directory = tmp_path / "source" / "driver"
    directory.mkdir(parents=True)
    # The inner make fixes its compiler itself, as the kernel's Makefile does.
    (directory / "Makefile").write_text("all:\n\t@$(MAKE) --no-print-directory -f $(INNER)\n")
    inner = tmp_path / "inner.mk"
    inner.write_text("CC = cc\nall:\n\t@echo 'with $(CC), $(KCFLAGS)'\n")
    compile_modules(job(headers, tmp_path, build=("make", f"INNER={inner}")), log)
    maps = [line.strip() for line in written(log).splitlines() if "with gcc-12, -f" in line]
    assert maps
    assert f"-ffile-prefix-map={tmp_path}/source=.. " in maps[0]


@pytest.mark.parametrize("word", ["no-such-program", "./missing.sh", "./data"])
def test_a_build_command_that_is_no_program_is_named(
    headers: HeaderTree, log: Log, tmp_path: Path, word: str
) -> None:
    directory = tmp_path / "source" / "driver"
    directory.mkdir(parents=True)
    (directory / "data").touch()
    with pytest.raises(BadInput, match=rf"^driver\.yml: build: cannot run '{word}': "):
        compile_modules(job(headers, tmp_path, build=(word,)), log)


def test_the_settings_survive_spaces_on_their_way_to_make(
    headers: HeaderTree, log: Log, tmp_path: Path
) -> None:
    environment = own_environment(job(headers, tmp_path), log)
    probe = "all:\n\t@echo '$(KCFLAGS)'\n"
    (tmp_path / "probe.mk").write_text(probe)
    said = capture(
        ["make", "-s", "-f", str(tmp_path / "probe.mk")],
        environment={"MAKEFLAGS": environment["MAKEFLAGS"]},
    )
    assert said.strip() == environment["KCFLAGS"]
