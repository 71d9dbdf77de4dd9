"""Which packages name which kernels."""

from __future__ import annotations

import pytest

from kmodbot.discovery.al2023.naming import Named, Role, is_amazon, named_by, parse_kernel
from kmodbot.discovery.rpmmd import Package
from kmodbot.kernels import InvalidInput


def package(nvra: str, epoch: str = "0") -> Package:
    rest, _, arch = nvra.rpartition(".")
    name, version, release = rest.rsplit("-", 2)
    return Package(name, arch, epoch, version, release, f"{nvra}.rpm")


@pytest.mark.parametrize(
    ("nvra", "role", "release"),
    [
        (
            "kernel-livepatch-6.1.134-150.224-1.0-2.amzn2023.x86_64",
            Role.LIVEPATCH,
            "6.1.134-150.224.amzn2023.x86_64",
        ),
        (
            "kernel-livepatch-6.12.58-82.121-1.0-1.amzn2023.aarch64",
            Role.LIVEPATCH,
            "6.12.58-82.121.amzn2023.aarch64",
        ),
        (
            "kernel-livepatch-6.18.8-9.213-1.0-11.amzn2023.x86_64",
            Role.LIVEPATCH,
            "6.18.8-9.213.amzn2023.x86_64",
        ),
        (
            "kernel-livepatch-6.12.110-5.7-1.0-0.amzn2023.x86_64",
            Role.STUB,
            "6.12.110-5.7.amzn2023.x86_64",
        ),
        ("kernel-6.1.134-150.224.amzn2023.x86_64", Role.KERNEL, "6.1.134-150.224.amzn2023.x86_64"),
        (
            "kernel-devel-6.1.134-150.224.amzn2023.x86_64",
            Role.DEVEL,
            "6.1.134-150.224.amzn2023.x86_64",
        ),
        ("kernel6.12-6.12.58-82.121.amzn2023.aarch64", Role.KERNEL, None),
        ("kernel6.18-devel-6.18.8-9.213.amzn2023.x86_64", Role.DEVEL, None),
        ("kernel7.3-devel-7.3.1-2.3.amzn2023.x86_64", Role.DEVEL, "7.3.1-2.3.amzn2023.x86_64"),
    ],
)
def test_a_package_names_its_kernel(nvra: str, role: Role, release: str | None) -> None:
    listed = package(nvra)
    expected = release or f"{listed.version}-{listed.release}.{listed.arch}"
    named = named_by(listed)
    assert named == Named(role, expected)
    assert named is not None
    found = parse_kernel(named, listed.arch)
    assert (found.release, found.distro_version) == (expected, "2023")


@pytest.mark.parametrize(
    "nvra",
    [
        "kernel-livepatch-repo-cdn-2023.9.20251208-0.amzn2023.noarch",
        "kernel-livepatch-repo-s3-2023.9.20251208-0.amzn2023.noarch",
        "kernel-livepatch-6.1.134-150.224-debuginfo-1.0-2.amzn2023.x86_64",
        "kernel-livepatch-6.1.134-150.224-debugsource-1.0-2.amzn2023.x86_64",
        "kernel-livepatch-6.1.134-150.224-1.0-2.amzn2023.src",
        "kernel-livepatch-6_4_0-150600_10-default-1-1.1.x86_64",
        "kernel-livepatch-6.1.134-150.224-1.0-2.el9.x86_64",
        "kernel-6.1.134-150.224.amzn2023.src",
        "kernel-headers-6.1.134-150.224.amzn2023.x86_64",
        "kernel6.12-modules-extra-6.12.58-82.121.amzn2023.x86_64",
        "kernel-modules-extra-common-6.1.134-150.224.amzn2023.x86_64",
        "kernel-debuginfo-6.1.134-150.224.amzn2023.x86_64",
        "kernel-tools-devel-6.1.134-150.224.amzn2023.x86_64",
        "kpatch-dnf-0.9.7-6.amzn2023.noarch",
        "yum-plugin-kernel-livepatch-1.0-0.amzn2.noarch",
    ],
)
def test_other_packages_name_none(nvra: str) -> None:
    assert named_by(package(nvra)) is None


@pytest.mark.parametrize(
    ("nvra", "amazon"),
    [
        ("kernel-livepatch-5.10.102-99.473-1.0-0.amzn2.x86_64", True),
        ("kernel-livepatch-5.15.43-20.123-1.0-1.amzn2022.x86_64", True),
        ("kernel-4.14.256-197.484.amzn2.x86_64", True),
        ("kernel-6.14.0-100.fc42.x86_64", False),
        ("kernel-devel-5.14.0-427.el9.x86_64", False),
    ],
)
def test_kernels_of_others_are_told_apart(nvra: str, amazon: bool) -> None:
    named = named_by(package(nvra))
    assert named is not None
    with pytest.raises(InvalidInput) as refusal:
        parse_kernel(named, "x86_64")
    assert is_amazon(refusal.value) is amazon
