"""Every kind of kernel of Debian and Ubuntu is found in the suites, with all it needs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import Kernel, package_architecture
from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers import debian, ubuntu
from kmodbot.pipeline.headers.suites import AptSuites, flavour, listed_releases, resolve
from kmodbot.pipeline.phases import Log

from ..conftest import written
from .archives import Deb, Key, debian_headers, publish, ubuntu_headers
from .conftest import use
from .services import Services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmodbot.pipeline.headers.apt import IsolatedApt

DATA = Path(__file__).parents[2] / "data"

# release -> what its packages' names have in common, and the name of kbuild's
DEBIAN_12 = {
    "6.1.0-56-amd64": ("6.1.0-56-common", "6.1"),
    "6.1.0-56-cloud-amd64": ("6.1.0-56-common", "6.1"),
    "6.1.0-56-rt-amd64": ("6.1.0-56-common-rt", "6.1"),
    "6.1.0-56-arm64": ("6.1.0-56-common", "6.1"),
    "6.1.0-56-cloud-arm64": ("6.1.0-56-common", "6.1"),
    "6.12.117+deb12-amd64": ("6.12.117+deb12-common", "6.12.117+deb12"),
    "6.12.117+deb12-cloud-amd64": ("6.12.117+deb12-common", "6.12.117+deb12"),
    "6.12.117+deb12-rt-amd64": ("6.12.117+deb12-common-rt", "6.12.117+deb12"),
    "6.12.9+bpo-amd64": ("6.12.9+bpo-common", "6.12.9+bpo"),
    "6.12.117+deb12-arm64-16k": ("6.12.117+deb12-common", "6.12.117+deb12"),
}
# (distro version, release) -> the package its flavours share
UBUNTU = {
    ("24.04", "6.8.0-63-generic"): "linux-headers-6.8.0-63",
    ("22.04", "6.8.0-63-generic"): "linux-hwe-6.8-headers-6.8.0-63",
    ("24.04", "6.8.0-1059-azure"): "linux-azure-headers-6.8.0-1059",
    ("22.04", "6.8.0-1059-azure"): "linux-azure-6.8-headers-6.8.0-1059",
    ("24.04", "6.14.0-1021-gcp"): "linux-gcp-6.14-headers-6.14.0-1021",
    ("22.04", "5.15.0-1028-gke"): "linux-gke-headers-5.15.0-1028",
    ("24.04", "6.8.0-31-lowlatency"): "linux-lowlatency-headers-6.8.0-31",
    ("24.04", "6.11.0-1016-lowlatency"): "linux-lowlatency-hwe-6.11-headers-6.11.0-1016",
    ("26.04", "7.0.0-14-realtime"): "linux-realtime-headers-7.0.0-14",
    ("24.04", "6.8.0-1047-aws"): "linux-aws-headers-6.8.0-1047",
    ("22.04", "5.15.0-1046-azure-fde"): "linux-azure-headers-5.15.0-1046",
    ("22.04", "5.15.0-1043-intel-iotg"): "linux-intel-iotg-headers-5.15.0-1043",
    ("22.04", "5.15.0-1030-fips"): "linux-fips-headers-5.15.0-1030",
    ("24.04", "6.8.0-1044-oracle"): "linux-oracle-headers-6.8.0-1044",
    ("22.04", "5.15.0-1060-kvm"): "linux-kvm-headers-5.15.0-1060",
    ("24.04", "6.17.0-1012-oem"): "linux-oem-6.17-headers-6.17.0-1012",
}
UBUNTU_ARM = {
    ("24.04", "6.8.0-1008-nvidia-64k"): "linux-nvidia-headers-6.8.0-1008",
    ("24.04", "6.8.0-63-generic-64k"): "linux-headers-6.8.0-63",
    ("24.04", "6.8.0-1047-aws-64k"): "linux-aws-headers-6.8.0-1047",
    ("24.04", "6.8.0-63-generic"): "linux-headers-6.8.0-63",
}


def real_ubuntu_releases() -> list[tuple[str, str]]:
    """Return (distro version, release) of the real Ubuntu kernels that are supported today."""
    entries = json.loads((DATA / "kernel_releases.json").read_text())
    found = {
        (entry["version"], entry.get("uname_r") or entry["release"])
        for entry in entries
        if entry["distro"] == "ubuntu" and entry["version"] in ubuntu.UBUNTU.codenames
    }
    return sorted(found)


@pytest.fixture(scope="module")
def listed(key: Key, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Have every kernel of the tables listed; returns a cache that all tests share."""
    with (
        Services(tmp_path_factory.mktemp("www")) as services,
        pytest.MonkeyPatch.context() as patch,
    ):
        use(services, key, patch)
        publish_debian(services.root, key)
        publish_ubuntu(services.root, key)
        yield tmp_path_factory.mktemp("cache")


def publish_debian(root: Path, key: Key) -> None:
    debs: dict[str, Deb] = {}
    for release, (common, kbuild) in DEBIAN_12.items():
        architecture = "amd64" if "amd64" in release else "arm64"
        made = debian_headers(release, common=common, kbuild=kbuild, architecture=architecture)
        debs.update({deb.file_name: deb for deb in made})
    publish(root / "debian", "bookworm", debs.values(), key)
    for archive, suite in (
        ("debian", "bookworm-updates"),
        ("debian-security", "bookworm-security"),
    ):
        publish(root / archive, suite, [], key)


def publish_ubuntu(root: Path, key: Key) -> None:
    real = dict.fromkeys(real_ubuntu_releases())
    for version, codename in ubuntu.UBUNTU.codenames.items():
        for archive, architecture, table in (
            ("ubuntu", "amd64", {**real, **UBUNTU}),
            ("ports", "arm64", UBUNTU_ARM),
        ):
            debs: dict[str, Deb] = {}
            for (distro_version, release), shared in table.items():
                if distro_version == version:
                    made = ubuntu_headers(release, shared=shared, architecture=architecture)
                    debs.update({deb.file_name: deb for deb in made})
            for suite in (codename, f"{codename}-updates", f"{codename}-security"):
                place = "security" if archive == "ubuntu" and "-sec" in suite else archive
                publish(
                    root / place,
                    suite,
                    debs.values() if suite == codename else [],
                    key,
                    components=ubuntu.UBUNTU.components,
                    architectures=[architecture],
                )


def suites_of(distribution: str) -> AptSuites:
    chain = {"debian": debian.CHAIN, "ubuntu": ubuntu.CHAIN}[distribution]
    assert isinstance(chain[0], AptSuites)
    return chain[0]


def resolved(
    distribution: str, version: str, architecture: str, release: str, cache: Path
) -> list[str]:
    kernel = Kernel.parse(
        distribution=distribution,
        distro_version=version,
        architecture=architecture,
        release=release,
    )
    log = Log(stream=io.StringIO())
    apt: IsolatedApt = suites_of(distribution)._apt(version, architecture, cache, log)
    with apt.locked():
        packages = resolve(apt, kernel.release)
    assert packages[0].architecture == package_architecture(architecture)
    return [package.name for package in packages]


@pytest.mark.parametrize("release", DEBIAN_12)
def test_debians_old_and_new_names_come_from_the_dependencies(listed: Path, release: str) -> None:
    architecture = "x86_64" if "amd64" in release else "aarch64"
    common, kbuild = DEBIAN_12[release]
    names = [f"linux-headers-{release}", f"linux-headers-{common}", f"linux-kbuild-{kbuild}"]
    assert resolved("debian", "12", architecture, release, listed) == names


@pytest.mark.parametrize(("version", "release"), sorted(UBUNTU))
def test_ubuntus_shared_package_comes_from_the_dependencies(
    listed: Path, version: str, release: str
) -> None:
    names = [f"linux-headers-{release}", UBUNTU[version, release]]
    assert resolved("ubuntu", version, "x86_64", release, listed) == names


@pytest.mark.parametrize(("version", "release"), sorted(UBUNTU_ARM))
def test_arm64_kernels_of_ubuntu_are_at_the_ports(listed: Path, version: str, release: str) -> None:
    names = [f"linux-headers-{release}", UBUNTU_ARM[version, release]]
    assert resolved("ubuntu", version, "aarch64", release, listed) == names


@pytest.mark.parametrize(("version", "release"), real_ubuntu_releases())
def test_real_releases_of_ubuntu_are_found(listed: Path, version: str, release: str) -> None:
    assert resolved("ubuntu", version, "x86_64", release, listed)[0] == f"linux-headers-{release}"


def test_another_ubuntu_versions_build_of_the_same_release_never_serves(
    listed: Path, tmp_path: Path, log: Log
) -> None:
    noble = Kernel("ubuntu", "24.04", "x86_64", "6.8.0-1059-azure")
    tree = suites_of("ubuntu").fetch(noble, tmp_path / "noble", listed, log)
    assert (tree.root / "usr/src/linux-azure-headers-6.8.0-1059").is_dir()
    gke = Kernel("ubuntu", "24.04", "x86_64", "5.15.0-1028-gke")
    with pytest.raises(HeadersNotFound, match=r"linux-headers-5.15.0-1028-gke not listed"):
        suites_of("ubuntu").fetch(gke, tmp_path / "gke", listed, log)


def test_what_is_listed_instead_is_named_with_the_nearest_first(
    listed: Path, tmp_path: Path, log: Log
) -> None:
    kernel = Kernel("ubuntu", "24.04", "x86_64", "6.8.0-5-generic")
    with pytest.raises(HeadersNotFound) as caught:
        suites_of("ubuntu").fetch(kernel, tmp_path, listed, log)
    text = str(caught.value)
    assert "the newest listed are 6.8.0-63-generic, 6.8.0-71-generic, 6.17.0-14-generic" in text
    assert "noble noble-updates, http" in text


def test_debians_tree_uses_the_programs_of_the_machine_that_builds(
    listed: Path, tmp_path: Path, log: Log
) -> None:
    kernel = Kernel("debian", "12", "aarch64", "6.1.0-56-arm64")
    tree = suites_of("debian").fetch(kernel, tmp_path, listed, log)
    tree.check()
    assert (tree.path / "scripts/fixdep").is_file()
    assert f"include {tree.root}/usr/src/" in (tree.path / "Makefile").read_text()
    assert "linux-kbuild-6.1 1 (" in written(log)


@pytest.mark.parametrize(
    ("version", "architecture", "count"), [("12", "x86_64", 7), ("12", "aarch64", 3)]
)
def test_only_kernels_of_the_architecture_are_listed(
    listed: Path, log: Log, version: str, architecture: str, count: int
) -> None:
    releases = suites_of("debian").releases(version, architecture, listed, log)
    assert len(releases) == count
    assert all(package_architecture(architecture) in flavour(release) for release in releases)


def test_packages_that_flavours_share_are_no_kernels(listed: Path, log: Log) -> None:
    apt = suites_of("ubuntu")._apt("26.04", "x86_64", listed, log)
    with apt.locked():
        assert "linux-realtime-headers-7.0.0-14" in apt.names("linux-realtime")
        assert "7.0.0-14-realtime" in listed_releases(apt)
        assert "7.0.0-14" not in listed_releases(apt)


def test_kernels_of_a_version_without_a_codename_are_left_to_other_sources(
    tmp_path: Path, log: Log
) -> None:
    for chain in (debian.CHAIN, ubuntu.CHAIN):
        for source in chain:
            kernel = Kernel("x", "1.04", "x86_64", "6.1.0-38-amd64")
            with pytest.raises(HeadersNotFound, match=r"(knows|keeps) (Debian|Ubuntu) .* only"):
                source.fetch(kernel, tmp_path, tmp_path, log)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("6.1.0-38-amd64", "amd64"),
        ("6.1.0-38-rt-amd64", "rt-amd64"),
        ("6.12.38+deb12-cloud-amd64", "cloud-amd64"),
        ("6.1.0-0.deb11.13-amd64", "amd64"),
        ("6.12.38+deb13-arm64-16k", "arm64-16k"),
        ("6.8.0-1008-nvidia-64k", "nvidia-64k"),
        ("6.8.0-63", ""),
    ],
)
def test_the_flavour_is_what_follows_the_numbers(release: str, expected: str) -> None:
    assert flavour(release) == expected
