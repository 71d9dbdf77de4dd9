"""The names kmodbot gives, held against those who must accept them."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmodbot.kernels import (
    Driver,
    Kernel,
    asset_name,
    branch_name,
    download_url,
    package_architecture,
    package_format,
    package_name,
    release_tag,
)

from .strategies import drivers, kernels

HELLO = Driver.parse("hello", "v0.1.0")
BOOKWORM = Kernel.parse(
    distribution="debian", distro_version="12", architecture="amd64", release="6.1.0-38-amd64"
)
BACKPORT = Kernel.parse(
    distribution="debian", architecture="amd64", release="6.12.57+deb12-cloud-amd64"
)
AMAZON = Kernel.parse(
    distribution="amazonlinux", architecture="arm64", release="6.12.46-66.121.amzn2023.aarch64"
)


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        (BOOKWORM, "hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb"),
        (BACKPORT, "hello-debian-6.12.57+deb12-cloud-amd64_v0.1.0_amd64.deb"),
        (AMAZON, "hello-amazonlinux-6.12.46-66.121.amzn2023.aarch64_v0.1.0_arm64.rpm"),
    ],
)
def test_a_package_is_named_after_driver_and_kernel(kernel: Kernel, name: str) -> None:
    assert package_name(HELLO, kernel) == name


def test_the_release_tag_holds_the_distro_version() -> None:
    assert release_tag("v0.1.0", BOOKWORM) == "v0.1.0-debian-12-x86_64"


def test_a_branch_has_dashes_for_dots() -> None:
    assert branch_name(BACKPORT) == "add-kernel/debian/x86_64/6-12-57+deb12-cloud-amd64"


def test_an_address_hides_the_plus_from_readers_that_take_it_for_a_space() -> None:
    tag, package = release_tag("v0.1.0", BACKPORT), package_name(HELLO, BACKPORT)
    assert download_url("https://github.com", "acme/hello-driver", tag, package) == (
        "https://github.com/acme/hello-driver/releases/download/v0.1.0-debian-12-x86_64/"
        "hello-debian-6.12.57%2Bdeb12-cloud-amd64_v0.1.0_amd64.deb"
    )


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("hello_1.0_amd64.deb", "hello_1.0_amd64.deb"),
        ("6.1.0-28~bpo12+1.deb", "6.1.0-28.bpo12+1.deb"),
        ("a b (1)^%.txt", "a.b.1.txt"),
        ("a..b...c", "a.b.c"),
        (".hidden", "default.hidden"),
        ("trailing.", "trailing"),
        ("été@home", "ete@home"),
        ("1:2.deb", "1.2.deb"),
        ("日本.deb", "deb"),
    ],
)
def test_github_renames_an_asset_like_this(name: str, kept: str) -> None:
    assert asset_name(name) == kept


@given(st.text(max_size=60))
def test_renaming_twice_changes_nothing_more(name: str) -> None:
    assert asset_name(asset_name(name)) == asset_name(name)


@given(drivers, kernels)
def test_every_package_name_is_kept_by_github_and_legal_as_a_file(
    driver: Driver, kernel: Kernel
) -> None:
    name = package_name(driver, kernel)
    assert asset_name(name) == name
    assert re.fullmatch(r"[a-z0-9][A-Za-z0-9._+-]*\.(deb|rpm)", name)
    assert len(name) <= 255
    assert name.endswith(f"_{package_architecture(kernel.architecture)}.{name[-3:]}")
    assert package_format(kernel.distribution) == name[-3:]


@given(drivers, kernels)
def test_every_address_leads_back_to_its_parts(driver: Driver, kernel: Kernel) -> None:
    tag, package = release_tag(driver.version, kernel), package_name(driver, kernel)
    url = urlsplit(download_url("https://git.acme.example/", "acme/hello", tag, package))
    assert url.query == url.fragment == ""
    assert [unquote(part) for part in url.path.split("/")] == [
        "", "acme", "hello", "releases", "download", tag, package
    ]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(drivers, kernels)
def test_every_branch_and_tag_is_legal_in_git(driver: Driver, kernel: Kernel) -> None:
    branch = branch_name(kernel)
    answer = subprocess.run(
        ["git", "check-ref-format", "--branch", branch], check=True, capture_output=True, text=True
    )
    assert answer.stdout.strip() == branch
    tag = f"refs/tags/{release_tag(driver.version, kernel)}"
    subprocess.run(["git", "check-ref-format", tag], check=True)


@given(st.lists(kernels, min_size=2, max_size=12))
def test_two_releases_never_share_a_branch(found: list[Kernel]) -> None:
    releases = {(k.distribution, k.architecture, k.release) for k in found}
    assert len({branch_name(kernel) for kernel in found}) == len(releases)


def test_two_distro_versions_of_one_release_share_the_branch_but_not_the_tag() -> None:
    jammy, noble = (
        Kernel.parse(
            distribution="ubuntu",
            distro_version=version,
            architecture="amd64",
            release="6.8.0-63-generic",
        )
        for version in ("22.04", "24.04")
    )
    assert branch_name(jammy) == branch_name(noble)
    assert release_tag("v0.1.0", jammy) != release_tag("v0.1.0", noble)
