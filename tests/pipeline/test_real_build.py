"""Real kernels of Debian 12, real compiler, real packages.

Debian removes the headers of replaced kernels, so the releases are asked for, not written down.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from kmodbot.pipeline.build import build
from kmodbot.pipeline.commands import CommandFailed, find_program
from kmodbot.pipeline.elf import Module, read_module
from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.headers import CHAINS
from kmodbot.pipeline.headers.suites import AptSuites, flavour
from kmodbot.pipeline.inputs import Request
from kmodbot.pipeline.phases import Log

from .conftest import HELLO, kernel, written


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def newest(cache: Path, series: str, wanted: str, architecture: str = "x86_64") -> str:
    """Return the newest release of a series and flavour that Debian 12 has headers for."""
    suites = CHAINS["debian"][0]
    assert isinstance(suites, AptSuites)
    releases = suites.releases("12", architecture, cache, Log(stream=io.StringIO()))
    return [r for r in releases if r.startswith(series) and flavour(r) == wanted][-1]


@dataclass
class Built:
    """A package, what was logged while it was made, and its module."""

    request: Request
    package: Path
    log: Log
    module: Module


def unpack(package: Path, directory: Path) -> list[Path]:
    subprocess.run(["dpkg-deb", "-x", str(package), str(directory)], check=True)
    return sorted(path for path in directory.rglob("*") if path.is_file())


def build_hello(release: str, directory: Path, cache: Path, architecture: str = "x86_64") -> Built:
    # A copy, because the time of the project's last commit would get into the package.
    source = shutil.copytree(HELLO, directory / "checkout")
    request = Request(kernel(release, architecture), "v0.1.0", "manual")
    with (directory / "log").open("w") as stream:
        log = Log(stream=stream)
        package = build(request, source, directory / "out", cache, log)
    (module,) = unpack(package, directory / "root")
    assert module == directory / f"root/lib/modules/{release}/updates/hello.ko"
    return Built(request, package, log, read_module(module.read_bytes()))


@pytest.fixture(scope="module", params=[("6.1.0-", "amd64"), ("6.12.", "cloud-amd64")], ids=str)
def built(
    request: pytest.FixtureRequest, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Built:
    release = newest(cache, *request.param)
    return build_hello(release, tmp_path_factory.mktemp("build"), cache)


def test_the_module_is_for_the_kernel_that_was_asked_for(built: Built) -> None:
    release = built.request.kernel.release
    assert built.module.vermagic.split()[0] == release
    assert built.module.info["name"] == "hello"
    assert built.module.info["version"] == "v0.1.0"
    assert built.module.info["license"] == "GPL"


def test_dpkg_reads_the_package(built: Built) -> None:
    info = subprocess.run(
        ["dpkg-deb", "--info", str(built.package)], check=True, capture_output=True, text=True
    ).stdout
    assert f" Package: hello-debian-{built.request.kernel.release}\n Version: 0.1.0\n" in info
    assert " Description: Greets once when it is loaded" in info
    assert " postinst " in info
    assert " postrm " in info


def test_debug_data_is_gone_but_symbol_versions_are_not(built: Built) -> None:
    assert not [name for name in built.module.sections if name.startswith(".debug")]
    assert "__versions" in built.module.sections
    assert built.package.stat().st_size < 20_000


def test_btf_is_there_exactly_when_the_log_says_so(built: Built) -> None:
    assert (".BTF" in built.module.sections) is ("BTF: included" in built.log.notes)


def test_no_path_of_this_machine_is_in_the_module(built: Built) -> None:
    content = next((built.package.parent.parent / "root").rglob("*.ko")).read_bytes()
    assert b"/tmp/" not in content
    assert b"/root/" not in content
    assert str(Path.home()).encode() not in content or str(Path.home()) == "/"


def test_every_phase_is_measured(built: Built) -> None:
    names = list(built.log.phases)
    assert names == ["headers", "compile", "check", "package"]


def test_building_again_makes_the_same_bytes(built: Built, cache: Path, tmp_path: Path) -> None:
    again = build_hello(built.request.kernel.release, tmp_path, cache)
    digests = {hashlib.sha256(each.package.read_bytes()).hexdigest() for each in (built, again)}
    assert len(digests) == 1


def test_the_checkout_is_not_written_to(built: Built) -> None:
    checkout = built.package.parent.parent / "checkout"
    assert {path.name for path in checkout.iterdir()} == {path.name for path in HELLO.iterdir()}


def test_a_release_that_debian_has_removed_names_those_it_still_has(
    cache: Path, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The archive of archives may well have it.
    monkeypatch.setenv("KMODBOT_DEBIAN_SNAPSHOT_MIRROR", (tmp_path / "nowhere").as_uri())
    request = Request(kernel("6.1.0-2-amd64"), "v0.1.0", "manual")
    with pytest.raises(BuildError) as caught:
        build(request, HELLO, tmp_path / "out", cache, log)
    message = str(caught.value)
    assert "1. Debian suites: linux-headers-6.1.0-2-amd64 not listed; the newest listed" in message
    assert newest(cache, "6.12.", "amd64") in message
    assert "2. Debian backports: " in message
    assert "3. Debian snapshot: " in message
    assert not (tmp_path / "out").exists()


def test_source_that_does_not_compile_shows_the_compilers_words(
    cache: Path, tmp_path: Path, log: Log
) -> None:
    (tmp_path / "Kbuild").write_text("obj-m := hello.o\n")
    (tmp_path / "hello.c").write_text("this is not C\n")
    (tmp_path / "driver.yml").write_text("{name: hello, modules: [hello]}\n")
    request = Request(kernel(newest(cache, "6.1.0-", "amd64")), "v0.1.0", "manual")
    with pytest.raises(CommandFailed, match=r"make ended with status 2:(?s:.*)error: "):
        build(request, tmp_path, tmp_path / "out", cache, log)
    assert list(log.phases) == ["headers", "compile"]


def test_only_kernels_of_the_architecture_are_listed(cache: Path) -> None:
    suites = CHAINS["debian"][0]
    assert isinstance(suites, AptSuites)
    for architecture, word in (("x86_64", "amd64"), ("aarch64", "arm64")):
        releases = suites.releases("12", architecture, cache, Log(stream=io.StringIO()))
        assert releases
        assert all(kernel(release, architecture) and word in release for release in releases)


@pytest.mark.skipif(
    find_program("aarch64-linux-gnu-gcc-12") is None, reason="no cross compiler for arm64"
)
def test_an_arm64_kernel_is_built_on_another_machine(cache: Path, tmp_path: Path) -> None:
    release = newest(cache, "6.1.0-", "arm64", "aarch64")
    built = build_hello(release, tmp_path, cache, "aarch64")
    assert built.module.architecture == "aarch64"
    assert built.package.name.endswith("_arm64.deb")


def test_an_arm64_kernel_without_a_cross_compiler_names_the_package(
    cache: Path, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kmodbot.pipeline.compiler.find_program", lambda name: None)
    release = newest(cache, "6.1.0-", "arm64", "aarch64")
    request = Request(kernel(release, "aarch64"), "v0.1.0", "manual")
    with pytest.raises(BuildError, match="apt-get install gcc-12-aarch64-linux-gnu"):
        build(request, HELLO, tmp_path, cache, log)
    assert "headers: Debian suites: found" in written(log)
