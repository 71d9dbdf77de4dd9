"""How an entry tells its distro version and its kernel releases."""

from __future__ import annotations

import pytest

from kmodbot.discovery.crawler import Entry, Finding, derive

from .lists import deb, kbuild


def find(
    target: str, release: str, version: str | int = "1", *headers: str, said: str | None = None
) -> Finding:
    return derive(Entry("list[0]", target, release, version, headers), said)


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("5.18.16-1~bpo11+1-amd64", "11"),
        ("4.19.118-2+deb10u1~bpo9+1-amd64", "9"),  # the rightmost tag counts
        ("4.9.189-3+deb9u2~deb8u1-amd64", "8"),
        ("4.9.65-2+grsecunoff1~bpo9+1-amd64", "9"),
        ("3.16.56-1+deb8u1-amd64", "8"),
        ("6.1.170-3-cloud-amd64", "12"),
        ("6.12.94-1-rt-amd64", "13"),
        ("6.12.94-1~bpo12+1-arm64", "12"),
    ],
)
def test_a_debian_package_version_tells_the_version(release: str, version: str) -> None:
    finding = find("debian", release)
    assert (finding.status, finding.distro_version) == ("ok", version)


@pytest.mark.parametrize(
    "release",
    ["6.0~rc7-1~exp1-amd64", "6.16.3-1~exp1-amd64", "7.1.8-1-amd64", "6.1.170-3-riscv64", "6.1"],
)
def test_a_debian_kernel_of_no_release_is_not_guessed(release: str) -> None:
    assert find("debian", release).status == "unsupported"


def test_a_debian_header_tells_what_the_package_version_does_not() -> None:
    header = deb("7.1.8+deb14-amd64", "7.1.8-1")
    finding = find("debian", "7.1.8-1-amd64", "1", header)
    assert (finding.distro_version, finding.releases) == ("14", ("7.1.8+deb14-amd64",))


def test_kbuild_of_another_debian_does_not_count() -> None:
    headers = [
        kbuild("6.1", "6.1.94-1~bpo11+1"),
        deb("6.1.0-47-common", "6.1.170-3", "all"),
        deb("6.1.0-47-amd64", "6.1.170-3"),
    ]
    finding = find("debian", "6.1.170-3-amd64", "1", *headers)
    assert (finding.distro_version, finding.releases) == ("12", ("6.1.0-47-amd64",))


def test_a_debian_entry_names_every_flavour_its_own_first() -> None:
    releases = ["6.12.94+deb13-amd64", "6.12.94+deb13-cloud-amd64", "6.12.94+deb13-rt-amd64"]
    headers = [deb(release, "6.12.94-1") for release in releases]
    plain = find("debian", "6.12.94-1-amd64", "1", *headers)
    cloud = find("debian", "6.12.94-1-cloud-amd64", "1", *headers)
    assert plain.releases[0] == releases[0]
    assert cloud.releases[0] == releases[1]
    assert set(plain.releases) == set(cloud.releases) == set(releases)


def test_a_common_headers_package_of_one_architecture_does_not_count() -> None:
    headers = [deb("4.9.0-13-common", "4.9.228-1"), deb("4.9.0-13-amd64", "4.9.228-1")]
    assert find("debian", "4.9.228-1-amd64", 1, *headers).releases == ("4.9.0-13-amd64",)


def test_escaped_addresses_are_understood() -> None:
    header = deb("6.12.94%2Bdeb13-amd64", "6.12.94-1%7Ebpo13%2B1")
    finding = find("debian", "6.12.94-1~bpo13+1-amd64", "1", header)
    assert finding.releases == ("6.12.94+deb13-amd64",)


@pytest.mark.parametrize(
    ("release", "named"),
    [
        ("6.12.94-1-amd64", ("6.12.94+deb13-amd64",)),
        ("6.12.94-1~bpo12+1-cloud-arm64", ("6.12.94+deb12-cloud-arm64",)),
        ("6.12.74-2-amd64", ()),  # a later upload of one number has a suffix that does not show
        ("6.12.9-1~bpo12+1-amd64", ()),  # before releases carried tags
        ("6.1.170-3-amd64", ()),
    ],
)
def test_without_headers_only_what_follows_for_sure_is_named(
    release: str, named: tuple[str, ...]
) -> None:
    assert find("debian", release).releases == named


@pytest.mark.parametrize(
    ("target", "release", "version", "named", "distro_version"),
    [
        ("ubuntu-hwe", "6.8.0-50-hwe", "51~22.04.1", "6.8.0-50-generic", "22.04"),
        ("ubuntu-hwe-5.15", "5.15.0-50-hwe-5.15", "56~20.04.1", "5.15.0-50-generic", "20.04"),
        ("ubuntu-lts", "4.4.0-101-lts", "124~14.04.1", "4.4.0-101-generic", "14.04"),
        ("ubuntu-aws-5.4", "5.4.0-1032-aws-5.4", "33~18.04.1", "5.4.0-1032-aws", "18.04"),
        ("ubuntu-gcp-edge", "4.18.0-1004-gcp-edge", "5~18.04.1", "4.18.0-1004-gcp", "18.04"),
        ("ubuntu-aws-hwe", "4.15.0-1095-aws-hwe", "102~16.04.1", "4.15.0-1095-aws", "16.04"),
        (
            "ubuntu-lowlatency-hwe-5.15",
            "5.15.0-33-lowlatency-hwe-5.15",
            "34~20.04.1",
            "5.15.0-33-lowlatency",
            "20.04",
        ),
        (
            "ubuntu-intel-iotg-5.15",
            "5.15.0-1002-intel-iotg-5.15",
            "4~20.04.2",
            "5.15.0-1002-intel-iotg",
            "20.04",
        ),
        ("ubuntu-generic", "6.8.0-63-generic", "66", "6.8.0-63-generic", "24.04"),
        ("ubuntu-azure", "6.17.0-1004-azure", "4", "6.17.0-1004-azure", "25.10"),
        ("ubuntu-azure-cvm", "5.4.0-1091-azure-cvm", "96+cvm1", "5.4.0-1091-azure-cvm", "20.04"),
        ("ubuntu-gcp-4.15", "4.15.0-1093-gcp-4.15", "106", "4.15.0-1093-gcp", "18.04"),
        ("ubuntu-gkeop-5.4", "5.4.0-1001-gkeop-5.4", "1", "5.4.0-1001-gkeop", "18.04"),
        ("ubuntu-hwe-5.11", "5.11.0-61-hwe-5.11", "61", "5.11.0-61-generic", "20.04"),
        ("ubuntu-hwe", "6.17.0-14-hwe", "14", "6.17.0-14-generic", "24.04"),
        ("ubuntu-oem-5.14", "5.14.0-1004-oem-5.14", "4", "5.14.0-1004-oem", "20.04"),
        ("ubuntu-oem", "6.17.0-1004-oem", "4", "6.17.0-1004-oem", "24.04"),
    ],
)
def test_an_ubuntu_entry_without_headers(
    target: str, release: str, version: str, named: str, distro_version: str
) -> None:
    finding = find(target, release, version, said="x86_64")
    assert (finding.status, finding.distro_version) == ("ok", distro_version)
    assert finding.releases == (named,)


@pytest.mark.parametrize(
    ("target", "release", "version", "candidates"),
    [
        # These are made for LTS releases and often lack the tag.
        ("ubuntu-nvidia", "6.8.0-1008-nvidia", "8", ("22.04", "24.04")),
        ("ubuntu-intel", "7.0.0-1002-intel", "2", ("24.04", "26.04")),
        # A cloud's own kernel of a series the LTS got too, once the version it came from had ended.
        ("ubuntu-azure", "5.0.0-1031-azure", "33", ("18.04", "19.04")),
    ],
)
def test_an_ubuntu_entry_that_tells_too_little_is_ambiguous(
    target: str, release: str, version: str, candidates: tuple[str, ...]
) -> None:
    finding = find(target, release, version, said="x86_64")
    assert (finding.status, finding.distro_version) == ("ambiguous", None)
    assert finding.candidates == candidates
    assert finding.reason == f"may be ubuntu {' or '.join(candidates)}"


def test_the_source_package_in_the_address_decides_where_the_target_was_cut() -> None:
    native = deb("6.8.0-1008-nvidia", "6.8.0-1008.8", source="linux-nvidia")
    finding = find("ubuntu-nvidia", "6.8.0-1008-nvidia", "8", native)
    assert (finding.status, finding.distro_version) == ("ok", "24.04")
    older = deb("6.17.0-1008-nvidia", "6.17.0-1008.8", source="linux-nvidia-6.17")
    finding = find("ubuntu-nvidia", "6.17.0-1008-nvidia", "8", older)
    assert (finding.status, finding.distro_version) == ("ok", "24.04")


def test_an_ubuntu_entry_names_every_flavour_its_own_first() -> None:
    headers = [
        deb("6.8.0-50-lowlatency", "6.8.0-50.51~22.04.1", source="linux-hwe-6.8"),
        deb("6.8.0-50-generic", "6.8.0-50.51~22.04.1", source="linux-hwe-6.8"),
        deb("hwe-6.8-headers-6.8.0-50", "6.8.0-50.51~22.04.1", "all", source="linux-hwe-6.8"),
    ]
    finding = find("ubuntu-hwe", "6.8.0-50-hwe", "51~22.04.1", *headers)
    assert finding.releases == ("6.8.0-50-generic", "6.8.0-50-lowlatency")
    assert finding.architecture == "x86_64"


def test_the_header_tells_the_flavour_where_the_target_was_cut() -> None:
    header = deb("5.15.0-1019-azure-fde", "5.15.0-1019.24.1", source="linux-azure-fde")
    finding = find("ubuntu-azure", "5.15.0-1019-azure", "24.1", header)
    assert finding.releases == ("5.15.0-1019-azure-fde",)


def test_64k_kernels_come_along_with_those_of_4k() -> None:
    headers = [
        deb("6.8.0-63-generic-64k", "6.8.0-63.66", "arm64"),
        deb("6.8.0-63-generic", "6.8.0-63.66", "arm64"),
    ]
    finding = find("ubuntu-generic", "6.8.0-63-generic", "66", *headers)
    assert finding.releases == ("6.8.0-63-generic", "6.8.0-63-generic-64k")
    assert finding.architecture == "aarch64"


@pytest.mark.parametrize(
    ("target", "release", "version"),
    [
        ("fedora", "6.17.1-300.fc43.x86_64", "43"),
        ("fedora", "6.17.1-300.fc43.aarch64+16k", "43"),
        ("fedora", "6.17.1-300.fc43.x86_64+debug", "43"),
        ("centos", "5.14.0-427.el9.x86_64", "stream9"),
        ("centos", "6.12.0-212.el10.aarch64+64k", "stream10"),
        ("centos", "5.14.0-427.el9.x86_64+rt", "stream9"),
        ("centos", "3.10.0-1160.el7.x86_64", "7"),
        ("centos", "4.18.0-193.28.1.el8_2.x86_64", "8"),
        ("amazonlinux2", "4.14.173-137.229.amzn2.x86_64", "2"),
        ("amazonlinux2023", "6.12.58-82.121.amzn2023.aarch64", "2023"),
        ("amazonlinux2022", "5.15.25-14.106.amzn2022.x86_64", "2022"),
        ("amazonlinux", "4.9.17-8.31.amzn1.x86_64", "1"),
        ("amazonlinux2", "4.14.26-46.32.x86_64", "2"),  # the target tells where the release cannot
    ],
)
def test_an_rpm_release_tells_the_version(target: str, release: str, version: str) -> None:
    finding = find(target, release)
    assert (finding.status, finding.distro_version) == ("ok", version)
    assert finding.releases == (release,)
    assert finding.architecture == ("aarch64" if "aarch64" in release else "x86_64")


@pytest.mark.parametrize(
    ("place", "versions"),
    [
        ("http://vault.centos.org/centos/8.5.2111/BaseOS/x86_64", "8"),
        ("http://mirror.centos.org/centos/8-stream/BaseOS/x86_64", "stream8"),
    ],
)
def test_the_address_tells_centos_linux_8_from_stream_8(place: str, versions: str) -> None:
    release = "4.18.0-348.el8.x86_64"
    header = f"{place}/os/Packages/kernel-devel-{release}.rpm"
    assert find("centos", release, 1, header).distro_version == versions


@pytest.mark.parametrize(
    ("target", "release"),
    [
        ("fedora", "7.0.9-200.nobara.fc43.x86_64"),
        ("fedora", "6.14.2-401.asahi.fc42.aarch64+16k"),
        ("centos", "5.14.0-427.13.1.el9_4.x86_64"),
        ("centos", "6.12.0-55.9.1.el10_0.x86_64"),
        ("centos", "6.9.7-1.el9.elrepo.x86_64"),
        ("amazonlinux2023", "nonsense"),
        ("ubuntu-generic", "6.12.54-linuxkit"),
        ("ubuntu-generic", "9.9.0-1-generic"),
        ("ubuntu-generic", "6.8.12-4-pve"),
        ("debian", "6.12.54-linuxkit"),
    ],
)
def test_a_kernel_of_another_system_is_refused(target: str, release: str) -> None:
    finding = find(target, release, said="x86_64")
    assert finding.status == "unsupported"
    assert finding.releases == ()
    assert finding.reason


@pytest.mark.parametrize(
    "target",
    ["almalinux", "rocky", "ol", "photon", "bottlerocket", "amazonlinux-x", "", "Debian"],
)
def test_a_target_that_is_none_of_the_five_is_refused_by_name(target: str) -> None:
    finding = find(target, "6.8.0-63-generic")
    assert (finding.status, finding.distribution) == ("unsupported", None)
    assert finding.reason == f"{target} is not supported"


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.12.94+deb13-cloud-amd64", "13"),
        ("6.12.74+deb13+1-amd64", "13"),
        ("6.1.0-47-arm64", "12"),
        ("5.10.0-0.deb10.17-amd64", "10"),
    ],
)
def test_a_debian_entry_named_like_its_release_is_understood(release: str, version: str) -> None:
    finding = find("debian", release)
    assert (finding.status, finding.distro_version) == ("ok", version)
    assert finding.releases == (release,)


def test_a_hostile_target_does_not_reach_the_terminal_as_it_is() -> None:
    finding = find("\x1b[2Jphoton", "6.1.10-1.ph5")
    assert finding.reason == "'\\x1b[2Jphoton' is not supported"


def test_an_architecture_nobody_told_is_not_guessed() -> None:
    finding = find("ubuntu-generic", "6.8.0-63-generic", "66")
    assert (finding.status, finding.architecture) == ("ok", None)


KALI = deb("6.12.38+kali-amd64", "6.12.38-1")


@pytest.mark.parametrize(
    ("target", "release", "headers"),
    [
        ("debian", "6.12.25-1kali1-amd64", ()),
        ("debian", "6.12.32-1parrot1-amd64", ()),
        ("debian", "6.12.25-1+rpt1-arm64", ()),
        ("debian", "6.12.12-1~deepin1-amd64", ()),
        ("debian", "6.1.90-1pexip1-amd64", ()),
        ("debian", "6.12.38-1-amd64", (KALI,)),
        ("debian", "6.12.38-1-amd64", (deb("6.12.38+deb13-amd64", "6.12.38-1"), KALI)),
        ("amazonlinux2023", "5.15.0-1.el9uek.x86_64", ()),
        ("amazonlinux2023", "5.14.0-427.el9.x86_64", ()),
        ("amazonlinux2", "6.17.1-300.fc43.x86_64", ()),
    ],
)
def test_a_rebuild_by_others_is_not_taken_for_the_original(
    target: str, release: str, headers: tuple[str, ...]
) -> None:
    finding = find(target, release, "1", *headers)
    assert (finding.status, finding.distro_version, finding.releases) == ("unsupported", None, ())
    assert finding.reason is not None
    assert finding.reason.startswith("a rebuild by others")


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.1.170-3+b2-amd64", "12"),
        ("6.1.170-3.1-amd64", "12"),
        ("6.1.170-3+deb12u1-amd64", "12"),
        ("5.10.10-1+deb11u2+b1-amd64", "11"),
    ],
)
def test_what_debian_itself_appends_to_a_version_is_understood(release: str, version: str) -> None:
    finding = find("debian", release)
    assert (finding.status, finding.distro_version) == ("ok", version)


@pytest.mark.parametrize("flavour", ["rt-arm64", "cloud-arm64", "arm64-16k", "grsec-arm64"])
def test_every_flavour_of_debian_is_debian(flavour: str) -> None:
    header = deb(f"6.12.94+deb13-{flavour}", "6.12.94-1", "arm64")
    assert find("debian", "6.12.94-1-arm64", "1", header).status == "ok"
