"""Compiling again is quick in any work directory, and never changes a package."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline import build as build_module
from kmodbot.pipeline.build import build
from kmodbot.pipeline.ccache import find_ccache
from kmodbot.pipeline.inputs import Request

from .conftest import HELLO, kernel, written
from .test_real_build import newest

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.phases import Log

# Both its own name and that of a header end up in the module.
NAMES_OF_FILES = """
#include "inc/where.h"
static void names(void) { WARN_ON(times > 7); where(); get_page(NULL); }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a driver in a subdirectory, whose module holds names of source files."""
    source = tmp_path / "checkout"
    shutil.copytree(HELLO, source / "sub")
    (source / "driver.yml").write_text("{name: hello, modules: [hello], directory: sub}\n")
    (source / "inc").mkdir()
    (source / "inc" / "where.h").write_text(
        'static inline void where(void) { pr_info("%s\\n", __FILE__); }\n'
    )
    hello = source / "sub" / "hello.c"
    text = hello.read_text().replace("#include <linux/init.h>", "#include <linux/mm.h>")
    text = text.replace("static int __init", f"{NAMES_OF_FILES}\nstatic int __init")
    hello.write_text(text.replace("\treturn 0;", "\tnames();\n\treturn 0;"))
    kbuild = source / "sub" / "Kbuild"
    kbuild.write_text(kbuild.read_text() + "ccflags-y += -I$(src)/..\n")
    return source


def counts(directory: Path, statistic: str) -> int:
    """Return one of ccache's own statistics."""
    said = subprocess.run(
        ["ccache", "--print-stats"],
        env={"CCACHE_DIR": str(directory), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return int(dict(line.split("\t") for line in said.splitlines())[statistic])


@pytest.mark.skipif(shutil.which("ccache") is None, reason="ccache is not installed")
def test_a_second_build_compiles_nothing_and_makes_the_same_package(
    tmp_path: Path, source: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    request = Request(kernel(newest(cache, "6.12.", "cloud-amd64")), "v0.1.0", "manual")
    first = build(request, source, tmp_path / "first", cache, log).read_bytes()
    missed = counts(cache / "ccache", "cache_miss")
    assert missed > 0
    second = build(request, source, tmp_path / "second", cache, log).read_bytes()
    assert counts(cache / "ccache", "cache_miss") == missed
    assert counts(cache / "ccache", "direct_cache_hit") >= missed
    assert f"compile: ccache: {missed} found, 0 compiled" in written(log)
    monkeypatch.setattr(build_module, "find_ccache", lambda *_: None)
    without = build(request, source, tmp_path / "without", cache, log).read_bytes()
    assert first == second == without


def test_without_ccache_the_compiler_is_called_directly(tmp_path: Path, programs: Path) -> None:
    assert find_ccache(tmp_path, tmp_path) is None
