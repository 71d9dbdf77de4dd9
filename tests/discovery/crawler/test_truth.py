"""Real entries, each with the distro version it is known to be of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kmodbot.discovery.crawler import Entry, derive
from kmodbot.kernels import SUPPORTED

from .lists import DATA

CRAWLED: list[dict[str, Any]] = [
    entry
    for entry in json.loads((DATA / "kernel_releases.json").read_text())
    if entry["form"] == "crawler"
]
#: What no release of Debian ever had, whatever the archive held that day.
UNRELEASED = {"unstable", "testing"}
#: Without an address nothing tells CentOS Linux 8 from CentOS Stream 8.
UNDECIDED = {"4.18.0-80.el8.x86_64", "4.18.0-348.el8.x86_64"}
#: Made before releases carried tags: only headers, which these entries lack, would tell.
UNNAMED = {"6.1.170-3-amd64"}


def _name(truth: dict[str, Any]) -> str:
    return f"{truth['release']}_{truth['kernelversion']}"


def _entry(truth: dict[str, Any]) -> Entry:
    return Entry("list[0]", truth["target"], truth["release"], truth["kernelversion"])


def _decided(truth: dict[str, Any]) -> bool:
    return truth["version"] not in UNRELEASED and truth["release"] not in UNDECIDED


@pytest.mark.parametrize("truth", [t for t in CRAWLED if _decided(t)], ids=_name)
def test_an_entry_is_of_the_version_it_is_known_to_be_of(truth: dict[str, Any]) -> None:
    assert truth["distro"] in SUPPORTED
    finding = derive(_entry(truth), truth["arch"])
    assert (finding.status, finding.distribution) == ("ok", truth["distro"])
    assert finding.distro_version == truth["version"]
    assert finding.architecture == truth["arch"]


@pytest.mark.parametrize("truth", [t for t in CRAWLED if "uname_r" in t], ids=_name)
def test_an_entry_names_what_uname_prints_also_without_headers(truth: dict[str, Any]) -> None:
    expected = () if truth["release"] in UNNAMED else (truth["uname_r"],)
    assert derive(_entry(truth), truth["arch"]).releases == expected


@pytest.mark.parametrize("truth", [t for t in CRAWLED if t["version"] in UNRELEASED], ids=_name)
def test_a_kernel_of_no_release_is_not_given_one(truth: dict[str, Any]) -> None:
    finding = derive(_entry(truth), truth["arch"])
    assert (finding.status, finding.distro_version) == ("unsupported", None)


@pytest.mark.parametrize("truth", [t for t in CRAWLED if t["release"] in UNDECIDED], ids=_name)
def test_what_cannot_be_decided_lists_its_candidates(truth: dict[str, Any]) -> None:
    finding = derive(_entry(truth), truth["arch"])
    assert (finding.status, finding.candidates) == ("ambiguous", ("8", "stream8"))
    assert truth["version"] in finding.candidates


@pytest.mark.parametrize("truth", [t for t in CRAWLED if t.get("candidates")], ids=_name)
def test_the_candidates_of_a_release_alone_are_told_as_well(truth: dict[str, Any]) -> None:
    assert derive(_entry(truth), truth["arch"]).candidates == tuple(truth["candidates"])
