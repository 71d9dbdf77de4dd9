"""What make is told, and what it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.build import source_epoch
from kmodbot.pipeline.commands import CommandFailed, capture, clean_environment, stream
from kmodbot.pipeline.compile import (
    Sources,
    btf_settings,
    compile_modules,
    copy_sources,
    kbuild_settings,
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


def test_without_pahole_btf_is_left_out_and_that_is_noted(
    headers: HeaderTree, programs: Path, log: Log
) -> None:
    assert btf_settings(headers, log) == ["CONFIG_DEBUG_INFO_BTF_MODULES="]
    assert log.notes == ["BTF: left out, because pahole is missing (apt-get install pahole)"]


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
    sources = Sources(tmp_path, tmp_path / "source")
    native = kbuild_settings(headers, sources, Compiler("gcc-12", "", "12.2.0"))
    cross = Compiler("aarch64-linux-gnu-gcc-12", "aarch64-linux-gnu-", "12.2.0")
    assert native[0] == "CC=gcc-12"
    assert not any(setting.startswith("CROSS_COMPILE") for setting in native)
    assert "CROSS_COMPILE=aarch64-linux-gnu-" in kbuild_settings(headers, sources, cross)


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
    sources = Sources(tmp_path, tmp_path / "source")
    driver_file = DriverFile(name="hello", modules=("hello",), directory="driver", make=("A=b",))
    compiler = Compiler("gcc-12", "", "12.2.0")
    compile_modules(build_request(), driver_file, sources, headers, compiler, 1700000000, log)
    said = [line.strip() for line in written(log).splitlines()]
    assert f"--directory={headers.path}" in said
    assert f"M={tmp_path}/source/driver" in said
    assert {"CC=gcc-12", "A=b", "modules"} <= set(said)
    exported = [line for line in said if line.startswith("export ")]
    assert "export DRIVER_VERSION='v0.1.0'" in exported
    assert "export SOURCE_DATE_EPOCH='1700000000'" in exported
    # pahole works in parallel without it, and its BTF differs from build to build.
    assert "export KBUILD_BUILD_TIMESTAMP='@1700000000'" in exported
