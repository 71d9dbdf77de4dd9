"""Ubuntu's chain: suites, old releases, Launchpad, snapshots, whatever fails before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import Kernel
from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.headers import ubuntu
from kmodbot.pipeline.headers.chain import fetch_headers
from kmodbot.pipeline.headers.ubuntu_snapshot import UbuntuSnapshot

from ..conftest import written
from .archives import Deb, Key, publish, ubuntu_headers
from .services import LaunchpadApi, Publication, Services, Timeline

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.headers.chain import Source
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

QUESTING = Kernel("ubuntu", "25.10", "x86_64", "6.17.0-14-generic")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = timedelta(days=7)
SOURCES = ("Ubuntu suites", "Ubuntu old releases", "Launchpad", "Ubuntu snapshot")


def release(
    root: Path, key: Key, debs: list[Deb], codename: str = "questing", suffix: str = "-updates"
) -> None:
    """Publish the three suites of a release, with `debs` in one of them."""
    for each in ("", "-updates", "-security"):
        publish(
            root,
            f"{codename}{each}",
            debs if each == suffix else [],
            key,
            components=ubuntu.UBUNTU.components,
        )


@pytest.fixture(scope="module")
def archives(key: Key, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have the headers of the kernel in every place, of a different version in each."""
    root = tmp_path_factory.mktemp("archives")
    for place, version in (("ubuntu", "1"), ("old", "2"), ("launchpad-pool", "3"), ("then", "4")):
        release(root / place, key, ubuntu_headers(QUESTING.release, version))
    release(root / "security", key, [])
    return root


@pytest.fixture
def everywhere(mirrors: Services, archives: Path) -> Services:
    mirrors.root = archives
    pool = sorted((archives / "launchpad-pool/pool").glob("*.deb"))
    publications = [Publication(path, "questing/amd64") for path in pool]
    api = LaunchpadApi(lambda path: mirrors.url(f"api/{path}"), publications)
    mirrors.rules["api"] = api
    mirrors.rules["launchpad"] = api.files
    mirrors.rules["snapshot"] = Timeline(
        archives, [(ubuntu.RELEASED["25.10"], "then"), (ubuntu.ENDED["25.10"] + WEEK, "gone")]
    )
    return mirrors


def fetch(tmp_path: Path, log: Log) -> HeaderTree:
    chain: list[Source] = [
        replace(source, clock=lambda: NOW) if isinstance(source, UbuntuSnapshot) else source
        for source in ubuntu.CHAIN
    ]
    return fetch_headers(QUESTING, tmp_path / "work", tmp_path / "cache", log, chain)


def origin(tree: HeaderTree) -> int:
    """Return which of the places the headers came from, the first is 1."""
    tree.check()
    return int((tree.path / "include/x.h").read_text())


PACKAGE = f"linux-headers-{QUESTING.release}"


@pytest.mark.parametrize(
    "faults",
    [
        {"ubuntu/dists": 403},
        {"ubuntu/dists": 404},
        {"security/dists": 404},
        {"ubuntu/dists/questing/InRelease": "truncated"},
        {f"ubuntu/pool/{PACKAGE}_1": "truncated"},
        {"ubuntu/dists/questing-updates/universe/binary-amd64/Packages": "changed"},
        {f"ubuntu/pool/{PACKAGE}_1": "changed"},
        {f"ubuntu/pool/{PACKAGE}_1": 403},
        {"ubuntu/pool/linux-headers-6.17.0-14_1": 404},
    ],
)
def test_old_releases_serve_when_the_suites_cannot(
    everywhere: Services, tmp_path: Path, log: Log, faults: dict[str, int | str]
) -> None:
    everywhere.faults.update(faults)
    assert origin(fetch(tmp_path, log)) == 2
    assert "headers: Ubuntu suites: " in written(log)
    assert "headers: Ubuntu old releases: found" in written(log)


def test_suites_that_another_key_signed_are_passed_over(
    everywhere: Services, other_key: Key, tmp_path: Path, log: Log
) -> None:
    everywhere.root = tmp_path / "www"
    for place in ("ubuntu", "security", "old"):
        release(everywhere.root / place, other_key, ubuntu_headers(QUESTING.release, "9"))
    assert origin(fetch(tmp_path, log)) == 3
    assert "NO_PUBKEY" in written(log)


@pytest.mark.parametrize("fault", [403, 404])
def test_launchpad_serves_when_no_suite_can(
    everywhere: Services, tmp_path: Path, log: Log, fault: int
) -> None:
    everywhere.faults.update({"ubuntu/dists": fault, "old/dists": fault})
    assert origin(fetch(tmp_path, log)) == 3
    assert log.notes == [
        "headers of 6.17.0-14-generic: from Launchpad, whose files are not signed; verified by its "
        "checksums over HTTPS only"
    ]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("api/ubuntu", 403),
        ("api/ubuntu", 404),
        ("api/ubuntu", 503),
        ("api/ubuntu", "truncated"),
        ("api/ubuntu", "changed"),
        ("+binarypub", 404),
        ("+binarypub", "changed"),
        (f"+files/{PACKAGE}", 404),
        (f"+files/{PACKAGE}", "truncated"),
        (f"+files/{PACKAGE}", "changed"),
        ("+files/linux-headers-6.17.0-14_", "changed"),
    ],
)
def test_a_snapshot_serves_when_launchpad_cannot(
    everywhere: Services, tmp_path: Path, log: Log, path: str, fault: int | str
) -> None:
    everywhere.faults.update({"ubuntu/dists": 404, "old/dists": 404, path: fault})
    assert origin(fetch(tmp_path, log)) == 4
    assert "headers: Launchpad: " in written(log)
    assert log.notes == []


@pytest.mark.parametrize("fault", [401, 404])
def test_the_last_error_lists_every_step_and_what_became_of_it(
    everywhere: Services, tmp_path: Path, log: Log, fault: int
) -> None:
    places = ("ubuntu/", "security/", "old/", "api/", "snapshot/")
    everywhere.faults.update(dict.fromkeys(places, fault))
    with pytest.raises(BuildError) as caught:
        fetch(tmp_path, log)
    for number, name in enumerate(SOURCES, 1):
        assert f"  {number}. {name}: " in str(caught.value)
        assert f"{name}: " in written(log)
    assert str(caught.value).count(str(fault)) >= len(SOURCES)


def test_a_package_that_is_damaged_though_listed_ends_the_step_only(
    everywhere: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    everywhere.root = tmp_path / "www"
    damaged = [replace(deb, damaged=True) for deb in ubuntu_headers(QUESTING.release, "1")]
    release(everywhere.root / "ubuntu", key, damaged)
    release(everywhere.root / "security", key, [])
    release(everywhere.root / "old", key, ubuntu_headers(QUESTING.release, "2"))
    assert origin(fetch(tmp_path, log)) == 2
    assert "headers: Ubuntu suites: " in written(log)
    assert "dpkg-deb ended with status" in written(log)


def test_kernels_that_were_never_in_the_archive_are_not_searched_for_in_its_past(
    everywhere: Services, tmp_path: Path, log: Log
) -> None:
    mainline = replace(QUESTING, release="6.17.0-061700-generic")
    with pytest.raises(BuildError, match=r"4\. Ubuntu snapshot: not asked, because such kernels"):
        fetch_headers(mainline, tmp_path / "work", tmp_path / "cache", log, ubuntu.CHAIN)
    assert everywhere.count("snapshot") == 0
    assert everywhere.count("api/") > 0


def test_a_release_that_is_supported_is_not_looked_for_among_the_old_ones(
    mirrors: Services, tmp_path: Path, log: Log
) -> None:
    noble = Kernel("ubuntu", "24.04", "x86_64", "6.8.0-63-generic")
    with pytest.raises(BuildError, match=r"2\. Ubuntu old releases: keeps Ubuntu 25\.10 only"):
        fetch_headers(noble, tmp_path / "work", tmp_path / "cache", log, ubuntu.CHAIN[:2])
    assert mirrors.count("old/") == 0


@pytest.mark.parametrize("suffix", ["", "-updates", "-security"])
def test_arm64_kernels_come_from_the_ports(
    mirrors: Services, key: Key, tmp_path: Path, log: Log, suffix: str
) -> None:
    kernel = Kernel("ubuntu", "24.04", "aarch64", "6.8.0-1008-nvidia-64k")
    debs = ubuntu_headers(
        kernel.release, shared="linux-nvidia-headers-6.8.0-1008", architecture="arm64"
    )
    release(mirrors.root / "ports", key, debs, "noble", suffix)
    tree = fetch_headers(kernel, tmp_path / "work", tmp_path / "cache", log, ubuntu.CHAIN)
    tree.check()
    assert all("/ports/" in address for address in mirrors.asked)
