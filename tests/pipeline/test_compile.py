"""What make is told, and what it is not."""

from __future__ import annotations

import os
import shutil
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
from kmodbot.pipeline.errors import BadInput, BuildError

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


def test_the_checkout_is_copied_without_its_history(tmp_path: Path, log: Log) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".git").mkdir(parents=True)
    (checkout / "hello.c").write_text("int x;")
    sources = copy_sources(checkout, tmp_path / "work", log)
    assert [path.name for path in sources.copy.iterdir()] == ["hello.c"]
    assert log.notes == []


def test_what_an_earlier_build_left_in_the_checkout_is_not_copied(tmp_path: Path, log: Log) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "sub/x.ko").mkdir(parents=True)
    left = ["Module.symvers", "hello.ko", "sub/modules.order", "sub/hello.mod", "sub/hello.mod.c"]
    kept = ["core.o", "core.o_shipped", "hello.c", "sub/.hello.o.cmd", "sub/x.ko/file"]
    for name in (*left, *kept):
        (checkout / name).touch()
    copy = copy_sources(checkout, tmp_path / "work", log).copy
    found = (path for path in copy.rglob("*") if path.is_file())
    assert sorted(str(path.relative_to(copy)) for path in found) == kept
    (note,) = log.notes
    assert note.startswith("left out, because the build makes them itself: ")
    assert sorted(note.partition(": ")[2].split(", ")) == sorted(left)


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


def test_the_time_of_the_files_is_the_last_commit_s(tmp_path: Path, log: Log) -> None:
    make_commit(tmp_path)
    assert source_epoch(tmp_path, log, {}) == 1700000000
    assert source_epoch(tmp_path, log, {"SOURCE_DATE_EPOCH": "5"}) == 5
    assert log.notes == []


def test_the_commit_of_another_user_s_checkout_is_read_by_an_old_git(
    tmp_path: Path, log: Log, programs: Path
) -> None:
    git = shutil.which("git", path=os.defpath)
    checkout = tmp_path / "checkout"
    make_commit(checkout, git or "")
    # Before 2.38 git took no permission from its command line or from other variables.
    script = (
        "#!/bin/sh\nexport GIT_TEST_ASSUME_DIFFERENT_OWNER=1\nunset GIT_CONFIG_COUNT\n"
        '[ "$3" != -c ] || { place=$2; shift 4; set -- -C "$place" "$@"; }\n'
        f'exec {git} "$@"\n'
    )
    (programs / "git").write_text(script)
    (programs / "git").chmod(0o755)
    assert source_epoch(checkout, log, {}) == 1700000000
    assert log.notes == []


def test_a_time_of_the_files_that_is_not_known_is_noted(tmp_path: Path, log: Log) -> None:
    assert source_epoch(tmp_path, log, {}) == 0
    (note,) = log.notes
    assert note.startswith("time of the last commit not known, so files are from 1970: fatal: not")


def test_without_git_the_time_of_the_files_is_not_known(
    tmp_path: Path, log: Log, programs: Path
) -> None:
    assert source_epoch(tmp_path, log, {}) == 0
    assert "the program git is missing" in log.notes[0]


def make_commit(checkout: Path, program: str = "git") -> None:
    """Make a repository whose last commit is of the second 1700000000."""
    checkout.mkdir(exist_ok=True)
    git = [program, "-C", str(checkout), "-c", "user.name=n", "-c", "user.email=n@localhost"]
    capture([*git, "init", "-q"])
    date = {"GIT_COMMITTER_DATE": "1700000000 +0000", "GIT_AUTHOR_DATE": "1600000000 +0000"}
    capture([*git, "commit", "-q", "--allow-empty", "-m", "first"], environment=date)


def test_a_time_that_is_none_is_refused(tmp_path: Path, log: Log) -> None:
    with pytest.raises(BadInput, match=r"^SOURCE_DATE_EPOCH: expected seconds"):
        source_epoch(tmp_path, log, {"SOURCE_DATE_EPOCH": "yesterday"})


@pytest.mark.parametrize("own", [False, True])
def test_what_the_build_prints_is_no_command_for_actions(
    headers: HeaderTree, programs: Path, log: Log, tmp_path: Path, own: bool
) -> None:
    put_program(programs, "make", "::add-mask::e")
    log.on_actions = True
    (tmp_path / "source/driver").mkdir(parents=True)
    compile_modules(job(headers, tmp_path, **({"build": ("make",)} if own else {})), log)
    lines = written(log).splitlines()
    place = lines.index("    ::add-mask::e")
    token = lines[place - 1].removeprefix("::stop-commands::")
    assert lines[place + 1] == f"::{token}::"


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


def test_a_makefile_that_looks_at_the_running_kernel_is_told_of_the_right_headers(
    headers: HeaderTree, log: Log, tmp_path: Path
) -> None:
    directory = tmp_path / "source" / "driver"
    directory.mkdir(parents=True)
    running = "KDIR ?= /lib/modules/0.0.0-nowhere/build\n"
    (directory / "Makefile").write_text(
        running + "all:\n\t$(MAKE) -C $(KDIR) M=$(CURDIR) modules\n"
    )
    with pytest.raises(BuildError, match=r'build: \[make, "KDIR=\$\(KERNEL_DIR\)"\]') as caught:
        compile_modules(job(headers, tmp_path, build=("make",)), log)
    assert "/lib/modules/0.0.0-nowhere/build: No such file" in str(caught.value)


def test_another_missing_file_is_left_to_makes_own_words(
    headers: HeaderTree, log: Log, tmp_path: Path
) -> None:
    directory = tmp_path / "source" / "driver"
    directory.mkdir(parents=True)
    (directory / "Makefile").write_text("all:\n\t$(MAKE) -C /nowhere/build modules\n")
    with pytest.raises(CommandFailed, match="No such file") as caught:
        compile_modules(job(headers, tmp_path, build=("make",)), log)
    assert "KERNEL_DIR" not in str(caught.value)


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


def test_a_program_that_does_not_end_is_stopped() -> None:
    with pytest.raises(CommandFailed, match="not done within 0 s"):
        capture(["sleep", "60"], seconds=0.2)
