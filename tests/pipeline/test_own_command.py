"""Drivers with a Makefile of their own, on real headers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.build import build
from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.inputs import Request

from .conftest import HELLO, kernel, written
from .test_real_build import newest

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.phases import Log

MAKEFILE = """\
KDIR ?= /lib/modules/$(shell uname -r)/build
all:
\t$(MAKE) -C $(KDIR) M=$(CURDIR) modules
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def request_(cache: Path) -> Request:
    return Request(kernel(newest(cache, "6.12.", "cloud-amd64")), "v0.1.0", "manual")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return shutil.copytree(HELLO, tmp_path / "checkout")


def test_a_makefile_of_the_drivers_own_makes_the_same_package_as_kbuild(
    source: Path, tmp_path: Path, cache: Path, request_: Request, log: Log
) -> None:
    expected = build(request_, source, tmp_path / "kbuild", cache, log).read_bytes()
    (source / "Makefile").write_text(MAKEFILE)
    with (source / "driver.yml").open("a") as file:
        file.write('build: [make, "KDIR=$(KERNEL_DIR)"]\n')
    made = build(request_, source, tmp_path / "own", cache, log).read_bytes()
    assert made == expected


def test_a_disk_that_fills_up_is_named_with_the_places_that_need_room(
    source: Path, tmp_path: Path, cache: Path, request_: Request, log: Log
) -> None:
    with (source / "driver.yml").open("a") as file:
        file.write("build: [cp, driver.yml, /dev/full]\n")
    places = rf" in {cache} \(--cache\), \d+ MB in {tmp_path}/out \(--output\)"
    expected = (
        rf"^cp ended with .* No space left on device\nFree are \d+ MB in .* \(TMPDIR\), .*{places}"
    )
    with pytest.raises(BuildError, match=expected):
        build(request_, source, tmp_path / "out", cache, log)


def test_a_symbol_nothing_provides_is_an_error_even_when_the_makefile_only_warns(
    source: Path, tmp_path: Path, cache: Path, request_: Request, log: Log
) -> None:
    hello = source / "hello.c"
    text = hello.read_text().replace("static int __init", "void nowhere(void);\nstatic int __init")
    hello.write_text(text.replace("\treturn 0;", "\tnowhere();\n\treturn 0;"))
    (source / "Makefile").write_text(MAKEFILE.replace("modules", "KBUILD_MODPOST_WARN=1 modules"))
    with (source / "driver.yml").open("a") as file:
        file.write('build: [make, "KDIR=$(KERNEL_DIR)"]\n')
    with pytest.raises(BuildError, match=r"^hello\.ko: the kernel has no nowhere; it could not be"):
        build(request_, source, tmp_path / "out", cache, log)
    assert "WARNING: modpost" in written(log)
