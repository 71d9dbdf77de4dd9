"""Which package has the headers of a kernel, for every shape a release has."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

import pytest

from kmodbot.kernels import InvalidInput, Kernel
from kmodbot.pipeline.headers.rpm.names import devel_package

from .conftest import rpm_kernel

DATA = Path(__file__).parents[2] / "data/kernel_releases.json"


@pytest.mark.parametrize(
    ("distribution", "release", "specs"),
    [
        (
            "fedora",
            "6.14.0-100.fc42.x86_64",
            ["kernel-devel-6.14.0-100.fc42.x86_64"],
        ),
        ("fedora", "6.17.1-300.fc43.aarch64", ["kernel-devel-6.17.1-300.fc43.aarch64"]),
        (
            "fedora",
            "6.17.1-300.fc43.x86_64+debug",
            ["kernel-debug-devel-6.17.1-300.fc43.x86_64"],
        ),
        ("fedora", "6.17.1-300.fc43.aarch64+16k", ["kernel-16k-devel-6.17.1-300.fc43.aarch64"]),
        (
            "fedora",
            "6.17.1-300.fc43.aarch64+16k-debug",
            ["kernel-16k-debug-devel-6.17.1-300.fc43.aarch64"],
        ),
        ("fedora", "6.17.1-300.fc43.x86_64+rt", ["kernel-rt-devel-6.17.1-300.fc43.x86_64"]),
        (
            "fedora",
            "6.17.0-0.rc3.250820gb19a97d57c15.31.fc43.x86_64",
            ["kernel-devel-6.17.0-0.rc3.250820gb19a97d57c15.31.fc43.x86_64"],
        ),
        ("centos", "5.14.0-427.el9.x86_64", ["kernel-devel-5.14.0-427.el9.x86_64"]),
        ("centos", "6.12.0-212.el10.x86_64", ["kernel-devel-6.12.0-212.el10.x86_64"]),
        ("centos", "5.14.0-427.el9.x86_64+rt", ["kernel-rt-devel-5.14.0-427.el9.x86_64"]),
        (
            "centos",
            "5.14.0-427.el9.x86_64+rt-debug",
            ["kernel-rt-debug-devel-5.14.0-427.el9.x86_64"],
        ),
        ("centos", "5.14.0-427.el9.aarch64+64k", ["kernel-64k-devel-5.14.0-427.el9.aarch64"]),
        (
            "centos",
            "5.14.0-427.el9.aarch64+64k-debug",
            ["kernel-64k-debug-devel-5.14.0-427.el9.aarch64"],
        ),
        ("centos", "6.12.0-212.el10.x86_64+debug", ["kernel-debug-devel-6.12.0-212.el10.x86_64"]),
        (
            "centos",
            "5.14.0-100.rt14.100.el9.x86_64",
            ["kernel-rt-devel-5.14.0-100.rt14.100.el9.x86_64"],
        ),
        (
            "amazonlinux",
            "6.1.134-150.224.amzn2023.x86_64",
            ["kernel-devel-6.1.134-150.224.amzn2023.x86_64"],
        ),
        (
            "amazonlinux",
            "6.12.58-82.121.amzn2023.x86_64",
            [
                "kernel6.12-devel-6.12.58-82.121.amzn2023.x86_64",
                "kernel-devel-6.12.58-82.121.amzn2023.x86_64",
            ],
        ),
        (
            "amazonlinux",
            "6.18.8-9.213.amzn2023.aarch64",
            [
                "kernel6.18-devel-6.18.8-9.213.amzn2023.aarch64",
                "kernel-devel-6.18.8-9.213.amzn2023.aarch64",
            ],
        ),
    ],
)
def test_the_package_is_told_by_the_release(
    distribution: str, release: str, specs: list[str]
) -> None:
    package = devel_package(rpm_kernel(distribution, release))
    assert list(package.specs) == specs
    assert [file.removesuffix(".rpm") for file in package.files] == specs
    assert package.directory == f"/usr/src/kernels/{release}"


@pytest.mark.parametrize(
    ("release", "build", "version", "rest"),
    [
        ("5.14.0-427.el9.x86_64", "kernel", "5.14.0", "427.el9"),
        ("5.14.0-427.el9.x86_64+rt", "kernel", "5.14.0", "427.el9"),
        ("5.14.0-100.rt14.100.el9.x86_64", "kernel-rt", "5.14.0", "100.rt14.100.el9"),
    ],
)
def test_koji_keeps_variants_in_the_build_of_their_kernel(
    release: str, build: str, version: str, rest: str
) -> None:
    package = devel_package(rpm_kernel("centos", release))
    assert (package.build, package.version, package.release) == (build, version, rest)


def real_kernels() -> list[Kernel]:
    found = []
    names = MappingProxyType({"amzn": "amazonlinux", "amazonlinux2023": "amazonlinux"})
    for entry in json.loads(DATA.read_text()):
        distribution = names.get(entry["distro"], entry["distro"])
        if distribution in {"fedora", "centos", "amazonlinux"}:
            try:
                found.append(rpm_kernel(distribution, entry.get("uname_r") or entry["release"]))
            except InvalidInput:
                # Releases of versions without an image are in the list as well.
                continue
    return found


def test_name_and_rest_of_every_real_release_make_it_up_again() -> None:
    kernels = real_kernels()
    assert len(kernels) > 20
    for kernel in kernels:
        package = devel_package(kernel)
        assert package.suffix == kernel.release.partition("+")[0]
        assert package.architecture == kernel.architecture
        assert package.names[0].startswith("kernel")
        assert package.names[0].endswith("-devel")
