"""The grammar of kernel releases, against real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kmodbot.kernels import SUPPORTED, InvalidInput, Kernel, distro_version_candidates

_DATA = Path(__file__).parents[1] / "data" / "kernel_releases.json"
BOOTED: list[dict[str, Any]] = [
    entry for entry in json.loads(_DATA.read_text()) if entry["form"] == "uname"
]
OURS = [entry for entry in BOOTED if entry["distro"] in SUPPORTED]
OTHERS = [entry for entry in BOOTED if entry["distro"] not in SUPPORTED]


def _name(entry: dict[str, Any]) -> str:
    return f"{entry['release']}-{entry['version']}"


@pytest.mark.parametrize("entry", OURS, ids=_name)
def test_a_booted_release_says_the_version_it_was_booted_on(entry: dict[str, Any]) -> None:
    expected = entry.get("candidates", [entry["version"]])
    assert distro_version_candidates(entry["distro"], entry["release"]) == tuple(expected)


@pytest.mark.parametrize("entry", OURS, ids=_name)
def test_a_booted_release_is_accepted_where_there_is_an_image(entry: dict[str, Any]) -> None:
    distribution, version = entry["distro"], entry["version"]
    values = {"distribution": distribution, "architecture": entry["arch"]}
    if version in SUPPORTED[distribution]:
        kernel = Kernel.parse(**values, release=entry["release"], distro_version=version)
        assert kernel == Kernel(distribution, version, entry["arch"], entry["release"])
    else:
        with pytest.raises(InvalidInput, match="is not supported") as refused:
            Kernel.parse(**values, release=entry["release"], distro_version=version)
        assert refused.value.field == "distro_version"


@pytest.mark.parametrize("distribution", SUPPORTED)
@pytest.mark.parametrize("entry", OTHERS, ids=_name)
def test_a_release_of_another_system_is_none_of_ours(
    entry: dict[str, Any], distribution: str
) -> None:
    assert distro_version_candidates(distribution, entry["release"]) == ()
    with pytest.raises(InvalidInput) as refused:
        Kernel.parse(
            distribution=distribution, architecture=entry["arch"], release=entry["release"]
        )
    assert refused.value.field == "kernel_version"


@pytest.mark.parametrize(
    ("distribution", "release", "candidates"),
    [
        ("ubuntu", "6.8.0-1059-azure", ("22.04", "24.04")),
        ("ubuntu", "6.8.1-1015-realtime", ("22.04", "24.04")),
        ("ubuntu", "6.8.0-1008-nvidia-64k", ("22.04", "24.04")),
        ("ubuntu", "6.14.0-1021-gcp", ("24.04", "25.04")),
        ("ubuntu", "6.5.0-44-generic", ("22.04", "23.10")),
        ("ubuntu", "6.17.0-061700-generic", ()),  # mainline, made for no Ubuntu version
        ("ubuntu", "9.9.0-1-generic", ()),  # a series the table does not know yet
        ("ubuntu", "5.14.0-1052-oem", ("20.04",)),  # a series only one LTS ever had
        ("debian", "4.9.0-18-amd64", ("9",)),
        ("debian", "4.19.0-21-rt-amd64", ("10",)),
        ("debian", "5.10.0-18-cloud-amd64", ("11",)),
        ("debian", "6.1.0-0.deb11.13-amd64", ("11",)),
        ("debian", "5.4.0-0.bpo.4-amd64", ()),
        ("debian", "6.12.9+bpo-amd64", ()),
        ("debian", "6.12.74+deb13+1-amd64", ("13",)),
        ("debian", "6.12.38+deb13-arm64-16k", ("13",)),
        ("debian", "6.12.117+deb12-rt-amd64", ("12",)),
        ("fedora", "6.17.1-300.fc43.aarch64+16k-debug", ("43",)),
        ("fedora", "6.17.0-0.rc7.56.fc43.x86_64", ("43",)),
        ("fedora", "6.17.0-0.rc0.250801g89748acdf226.7.fc43.x86_64+debug", ("43",)),
        ("fedora", "6.17.0-0.rc7.20250925gitabcdef0.56.fc43.x86_64", ("43",)),
        ("centos", "5.14.0-427.el9.x86_64", ("stream9",)),
        ("centos", "5.14.0-100.rt14.100.el9.x86_64", ("stream9",)),
        ("centos", "6.12.0-212.el10.aarch64+64k", ("stream10",)),
        ("centos", "3.10.0-1160.11.1.el7.x86_64", ("7",)),
        ("centos", "4.18.0-348.el8.x86_64", ("8", "stream8")),
        ("amazonlinux", "6.12.58-82.121.amzn2023.x86_64", ("2023",)),
        ("amazonlinux", "5.10.96-90.460.amzn2022.x86_64", ("2022",)),
        ("amazonlinux", "4.14.173-137.229.amzn2.x86_64", ("2",)),
        ("rocky", "5.14.0-427.el9.x86_64", ()),
    ],
)
def test_a_release_alone_says_this_much(
    distribution: str, release: str, candidates: tuple[str, ...]
) -> None:
    assert distro_version_candidates(distribution, release) == candidates


@pytest.mark.parametrize(
    ("distribution", "release", "reason"),
    [
        ("ubuntu", "6.1.0-38-amd64", "Debian"),
        ("ubuntu", "6.8.12-4-pve", "Proxmox"),
        ("ubuntu", "6.6.31-0-virt", "Alpine"),
        ("ubuntu", "6.4.0-1-default", "openSUSE"),
        ("ubuntu", "6.12.54-linuxkit", "LinuxKit"),
        ("ubuntu", "5.15.153.1-microsoft-standard-WSL2", "Windows"),
        ("ubuntu", "6.8.0-63", "6.8.0-63-generic"),
        ("ubuntu", "6.8-63-generic", "6.8.0-63-generic"),
        ("ubuntu", "6.8.0-63-Generic", "6.8.0-63-generic"),
        ("debian", "6.0.0-rc7-amd64", "experimental"),
        ("debian", "6.1.0-38-686-pae", "6.1.0-38-amd64"),
        ("debian", "6.1.0-38-riscv64", "6.1.0-38-amd64"),
        ("debian", "6.1.170-3", "6.1.0-38-amd64"),
        ("debian", "6.8.0-63-generic", "ubuntu"),
        ("fedora", "7.0.9-200.nobara.fc43.x86_64", "nobara"),
        ("fedora", "6.14.2-401.asahi.fc42.aarch64+16k", "asahi"),
        ("fedora", "6.17.0-0.rc7.250923gd1ab3.57.1.secnext.fc44.x86_64", "secnext"),
        ("fedora", "6.12.58-82.121.amzn2023.x86_64", "amazonlinux"),
        ("fedora", "6.14.0-100.fc42.i686", "6.14.0-100.fc42.x86_64"),
        ("centos", "5.14.0-427.13.1.el9_4.x86_64", "RHEL 9.4"),
        ("centos", "6.9.7-1.el9.elrepo.x86_64", "elrepo"),
        ("centos", "6.14.0-100.fc42.x86_64", "fedora"),
        ("amazonlinux", "6.12.58-82.121.amzn2023.noarch", "6.12.58-82.121.amzn2023.x86_64"),
        ("amazonlinux", "5.14.0-427.el9.x86_64", "centos"),
    ],
)
def test_an_unfitting_release_is_refused_with_a_reason(
    distribution: str, release: str, reason: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Kernel.parse(distribution=distribution, architecture="x86_64", release=release)
    assert refused.value.field == "kernel_version"
    assert reason in refused.value.message


def test_a_release_longer_than_the_kernel_itself_allows_is_refused() -> None:
    release = f"6.8.0-63-{'a' * 20}-{'b' * 20}-{'c' * 20}"
    with pytest.raises(InvalidInput, match="at most 64 characters"):
        Kernel.parse(distribution="ubuntu", architecture="x86_64", release=release)
