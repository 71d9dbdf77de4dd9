"""The time at which a kernel was listed is found with few questions, or the search gives up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.kernels import SUPPORTED, Kernel
from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers import ubuntu
from kmodbot.pipeline.headers.suites import same_kind
from kmodbot.pipeline.headers.ubuntu_snapshot import UbuntuSnapshot, search

from ..conftest import written
from .archives import Key, publish, ubuntu_headers
from .services import Services, Timeline

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

BEGIN = datetime(2024, 4, 25, tzinfo=UTC)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
NOBLE = Kernel("ubuntu", "24.04", "x86_64", "6.8.0-63-generic")
(SNAPSHOT,) = (source for source in ubuntu.CHAIN if isinstance(source, UbuntuSnapshot))


def release(abi: int) -> str:
    return f"6.8.0-{abi}-generic"


class Lists:
    """Lists that have the newest ABI of each period only, and nothing from `gone` on."""

    def __init__(self, days: list[int], gone: datetime = NOW + timedelta(days=1)) -> None:
        self.gone = gone
        self.starts = [BEGIN + timedelta(days=sum(days[: n + 1])) for n in range(len(days))]
        self.asked: list[datetime] = []

    def __call__(self, moment: datetime) -> list[str]:
        self.asked.append(moment)
        begun = [number for number, start in enumerate(self.starts) if start <= moment]
        return [release(begun[-1])] if begun and moment < self.gone else []


@given(st.lists(st.integers(min_value=7, max_value=60), min_size=1, max_size=15), st.data())
def test_every_kernel_that_was_listed_for_a_week_is_found(
    days: list[int], data: st.DataObject
) -> None:
    lists = Lists(days)
    wanted = data.draw(st.integers(min_value=0, max_value=len(days) - 1))
    assert release(wanted) in lists(search(release(wanted), lists, BEGIN, NOW))
    assert len(lists.asked) <= 13


@given(
    st.lists(st.integers(min_value=14, max_value=60), min_size=9, max_size=15),
    st.integers(min_value=1, max_value=400),
    st.data(),
)
def test_every_kernel_of_a_kind_that_left_is_found(
    days: list[int], passed: int, data: st.DataObject
) -> None:
    # What is listed for an eighth of all the time cannot be overlooked.
    gone = BEGIN + timedelta(days=min(sum(days) + 14 + passed, (NOW - BEGIN).days))
    lists = Lists(days, gone)
    wanted = data.draw(st.integers(min_value=0, max_value=len(days) - 1))
    assert release(wanted) in lists(search(release(wanted), lists, BEGIN, NOW))
    assert len(lists.asked) <= 20


def test_a_kernel_newer_than_all_is_given_up_at_once() -> None:
    lists = Lists([10, 20])
    with pytest.raises(HeadersNotFound, match=r"not listed yet at 2026-11-23; the newest is 6\.8"):
        search(release(99), lists, BEGIN, NOW)
    assert len(lists.asked) == 1


def test_a_kind_of_kernel_that_was_never_listed_is_given_up_after_a_few_questions() -> None:
    lists = Lists([])
    with pytest.raises(HeadersNotFound, match="nor any of its kind, at any of 8 times between"):
        search(release(1), lists, BEGIN, NOW)
    assert len(lists.asked) == len(set(lists.asked)) == 8


def test_a_kernel_newer_than_a_kind_that_left_is_given_up() -> None:
    lists = Lists([100], gone=BEGIN + timedelta(days=600))
    with pytest.raises(HeadersNotFound, match=r"was not listed at any of \d+ times"):
        search(release(99), lists, BEGIN, NOW)
    assert len(lists.asked) <= 14


def test_a_kernel_that_was_passed_over_is_given_up_after_a_dozen_questions() -> None:
    asked: list[datetime] = []

    def lists(moment: datetime) -> list[str]:
        asked.append(moment)
        return [release(1 if moment < datetime(2025, 6, 1, tzinfo=UTC) else 3)]

    with pytest.raises(HeadersNotFound, match=r"not listed at any of 12 times.*2025-0[56]-"):
        search(release(2), lists, BEGIN, NOW)
    assert len(asked) == 12


def test_kernels_of_a_kind_differ_in_the_abi_only() -> None:
    releases = ["6.8.0-9-generic", "6.8.0-10-aws", "6.11.0-9-generic", "6.8.0-9-generic-64k"]
    assert same_kind(releases, NOBLE.release) == ["6.8.0-9-generic"]


@pytest.fixture(scope="module")
def archives(key: Key, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archives")
    for abi in (31, 63, 90, 120):
        debs = ubuntu_headers(release(abi), str(abi))
        components = ubuntu.UBUNTU.components
        publish(root / f"abi-{abi}", "noble-updates", debs, key, components=components)
    return root


@pytest.fixture
def history(mirrors: Services, archives: Path) -> Services:
    """Have a new kernel in noble-updates every half year, the second is the one wanted."""
    epochs = [
        (BEGIN + timedelta(days=183 * number), f"abi-{abi}")
        for number, abi in enumerate((31, 63, 90, 120))
    ]
    mirrors.rules["snapshot"] = Timeline(archives, epochs)
    return mirrors


def fetch(kernel: Kernel, tmp_path: Path, log: Log) -> HeaderTree:
    snapshot = replace(SNAPSHOT, clock=lambda: NOW)
    return snapshot.fetch(kernel, tmp_path / "work", tmp_path / "cache", log)


def test_the_headers_of_that_time_are_used_though_a_suite_was_missing(
    history: Services, tmp_path: Path, log: Log
) -> None:
    tree = fetch(NOBLE, tmp_path, log)
    tree.check()
    assert (tree.path / "include/x.h").read_text() == "63"
    assert history.count("noble-updates/InRelease") <= 4
    assert "noble-security" in written(log)
    assert "noble-updates noble-security: 2 packages" in written(log)


def test_another_series_is_never_looked_at(history: Services, tmp_path: Path, log: Log) -> None:
    jammy = Kernel("ubuntu", "22.04", "x86_64", NOBLE.release)
    with pytest.raises(HeadersNotFound, match="nor any of its kind"):
        fetch(jammy, tmp_path, log)
    assert history.count("jammy-updates/") > 0
    assert history.count("noble") == 0


def test_what_was_listed_before_the_suites_were_removed_is_found(
    history: Services, archives: Path, tmp_path: Path, log: Log
) -> None:
    epochs = [(BEGIN, "abi-63"), (BEGIN + timedelta(days=500), "abi-90")]
    removed = (BEGIN + timedelta(days=700), "gone")
    history.rules["snapshot"] = Timeline(archives, [*epochs, removed])
    assert (fetch(NOBLE, tmp_path, log).path / "include/x.h").read_text() == "63"
    assert history.count("20261123T000000Z") > 0


def test_a_version_that_ended_is_looked_for_before_its_end(
    history: Services, archives: Path, tmp_path: Path, log: Log
) -> None:
    end = BEGIN + timedelta(days=600)
    epochs = [(BEGIN, "abi-31"), (BEGIN + timedelta(days=500), "abi-63"), (end, "gone")]
    history.rules["snapshot"] = Timeline(archives, epochs)
    ended = replace(SNAPSHOT, clock=lambda: NOW, ended={"24.04": end - timedelta(hours=1)})
    ended.fetch(NOBLE, tmp_path / "work", tmp_path / "cache", log).check()
    assert history.count("noble-updates/InRelease") == 1


def test_only_versions_that_are_known_ended_and_not_before_their_release() -> None:
    assert set(ubuntu.RELEASED) == set(ubuntu.UBUNTU.codenames) == set(SUPPORTED["ubuntu"])
    assert all(ubuntu.RELEASED[version] < end for version, end in ubuntu.ENDED.items())


def test_an_architecture_that_is_not_kept_is_given_up_at_once(
    history: Services, tmp_path: Path, log: Log
) -> None:
    history.faults["binary-arm64"] = 404
    arm = Kernel("ubuntu", "24.04", "aarch64", NOBLE.release)
    with pytest.raises(HeadersNotFound, match=r"lists cannot be read.*404"):
        fetch(arm, tmp_path, log)
    assert history.count("noble-updates/InRelease") == 1


def test_lists_of_the_past_must_be_signed_all_the_same(
    history: Services, other_key: Key, tmp_path: Path, log: Log
) -> None:
    debs = ubuntu_headers(NOBLE.release, "63")
    components = ubuntu.UBUNTU.components
    publish(history.root / "forged", "noble-updates", debs, other_key, components=components)
    history.rules["snapshot"] = Timeline(history.root, [(BEGIN, "forged")])
    with pytest.raises(HeadersNotFound, match="NO_PUBKEY"):
        fetch(NOBLE, tmp_path, log)


def test_nothing_is_asked_for_times_before_the_release(
    history: Services, archives: Path, tmp_path: Path, log: Log
) -> None:
    history.rules["snapshot"] = Timeline(archives, [(NOW - timedelta(days=9999), "abi-90")])
    soon = replace(SNAPSHOT, clock=lambda: BEGIN + timedelta(days=2))
    with pytest.raises(HeadersNotFound, match=r"not listed at any of 5 times"):
        soon.fetch(NOBLE, tmp_path / "work", tmp_path / "cache", log)
    stamps = {address.split("/")[2] for address in history.asked}
    assert min(stamps) > "20240425"
