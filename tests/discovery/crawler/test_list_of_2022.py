"""The list of 2022-10-03, whole: counts that were checked by hand against the file."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest

from kmodbot.discovery.crawler import Entry, Finding, derive, read_entries
from kmodbot.discovery.crawler.headers import read_headers

from .lists import list_of_2022


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return list(read_entries(io.BytesIO(list_of_2022()), "list.json"))


@pytest.fixture(scope="module")
def findings(entries: list[Entry]) -> list[Finding]:
    return [derive(entry, "x86_64") for entry in entries]


def test_every_entry_is_read_as_it_stands(entries: list[Entry]) -> None:
    content = [entry for section in json.loads(list_of_2022()).values() for entry in section]
    assert len(entries) == len(content) == 4544
    for entry, expected in zip(entries, content, strict=True):
        assert (entry.target, entry.kernelrelease) == (
            expected["target"],
            expected["kernelrelease"],
        )
        assert entry.kernelversion == expected["kernelversion"]
        assert entry.headers == tuple(expected.get("headers", ()))


def test_the_counts_of_each_distribution(findings: list[Finding]) -> None:
    counts = Counter((finding.distribution, finding.status) for finding in findings)
    assert counts == {
        ("amazonlinux", "ok"): 242,
        ("centos", "ok"): 247,
        ("debian", "ok"): 24,
        ("debian", "unsupported"): 2,
        ("fedora", "ok"): 6,
        ("ubuntu", "ok"): 2664,
        ("ubuntu", "ambiguous"): 22,
        (None, "unsupported"): 1337,
    }


def test_the_counts_of_each_version(findings: list[Finding]) -> None:
    ok = Counter(f"{f.distribution} {f.distro_version}" for f in findings if f.status == "ok")
    assert ok == {
        "amazonlinux 1": 90,
        "amazonlinux 2": 147,
        "amazonlinux 2022": 5,
        "centos 6": 118,
        "centos 7": 104,
        "centos 8": 20,
        "centos stream9": 5,
        "debian 8": 5,
        "debian 9": 6,
        "debian 10": 6,
        "debian 11": 7,
        "fedora 34": 2,
        "fedora 35": 2,
        "fedora 36": 2,
        "ubuntu 14.04": 268,
        "ubuntu 16.04": 475,
        "ubuntu 18.04": 1038,
        "ubuntu 20.04": 750,
        "ubuntu 22.04": 129,
        "ubuntu 22.10": 4,
    }


def test_ubuntu_with_a_tag_is_always_decided(entries: list[Entry]) -> None:
    tagged = [
        entry
        for entry in entries
        if entry.target.startswith("ubuntu-") and "~" in str(entry.kernelversion)
    ]
    assert len(tagged) == 1065
    for entry in tagged:
        version = str(entry.kernelversion).rpartition("~")[2][:5]
        assert derive(entry, "x86_64").distro_version == version


def test_the_name_of_an_ubuntu_entry_is_often_not_what_uname_prints(
    entries: list[Entry], findings: list[Finding]
) -> None:
    ubuntu = [
        (entry, finding)
        for entry, finding in zip(entries, findings, strict=True)
        if finding.distribution == "ubuntu"
    ]
    other = [entry for entry, finding in ubuntu if entry.kernelrelease not in finding.releases]
    assert (len(other), len(ubuntu)) == (1175, 2686)


def test_every_release_is_that_of_a_headers_package(
    entries: list[Entry], findings: list[Finding]
) -> None:
    for entry, finding in zip(entries, findings, strict=True):
        if finding.distribution in ("debian", "ubuntu") and finding.releases:
            named = {header.release for header in read_headers(entry.headers)}
            assert set(finding.releases) == named


def test_the_flavour_of_the_entry_comes_first(findings: list[Finding]) -> None:
    first = [finding.releases[0] for finding in findings if len(finding.releases) > 1]
    assert first
    assert not [name for name in first if "-rt-" in name or "-cloud-" in name]
    assert not [name for name in first if name.endswith("-lowlatency")]


def test_the_same_release_of_two_versions_is_two_kernels(findings: list[Finding]) -> None:
    versions: dict[str, set[str]] = {}
    for finding in findings:
        if finding.distribution == "ubuntu" and finding.distro_version:
            for release in finding.releases:
                versions.setdefault(release, set()).add(finding.distro_version)
    # Without the kernels whose version is not known; with them it is 726 of 2,728.
    assert sum(len(found) > 1 for found in versions.values()) > 700
