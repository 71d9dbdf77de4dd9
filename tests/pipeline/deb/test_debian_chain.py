"""Debian's chain: suites, then backports, then the archive of archives, whatever fails before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import BuildError, HeadersNotFound
from kmodbot.pipeline.headers import debian
from kmodbot.pipeline.headers.chain import fetch_headers
from kmodbot.pipeline.headers.debian_snapshot import DebianSnapshot

from ..conftest import kernel, written
from .archives import Deb, Key, debian_headers, publish
from .services import Services, SnapshotIndex

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

OLD = "6.1.0-9-amd64"
SEEN = "20230512T031500Z"


def headers(release: str = OLD, version: str = "1") -> list[Deb]:
    return debian_headers(
        release, version, common=f"{release.removesuffix('-amd64')}-common", kbuild="6.1"
    )


def suites(services: Services, key: Key | None, **contents: list[Deb]) -> None:
    """Publish all suites of Debian 12; `contents` are by the end of their names."""
    for suffix in ("", "updates", "backports", "security"):
        archive = "debian-security" if suffix == "security" else "debian"
        suite = f"bookworm-{suffix}".rstrip("-")
        publish(services.root / archive, suite, contents.get(suffix or "plain", []), key)


def past(services: Services, key: Key, archive: str, **contents: list[Deb]) -> None:
    """Publish suites of `archive` of SEEN, whose lists are long out of date."""
    for suffix, debs in contents.items():
        suite = f"bookworm-{suffix}".removesuffix("-plain")
        root = services.root / f"archive/{archive}/{SEEN}"
        publish(root, suite, debs, key, valid_for=-timedelta(days=900))


def seen(services: Services, archives: Mapping[str, str], version: str = "1") -> None:
    entry = (f"linux-headers-{OLD}", version, "amd64")
    services.rules["mr"] = SnapshotIndex({entry: dict(archives)})


def fetch(tmp_path: Path, log: Log) -> HeaderTree:
    return fetch_headers(kernel(OLD), tmp_path / "work", tmp_path / "cache", log, debian.CHAIN)


def makefile(tree: HeaderTree) -> str:
    """Return what only the package of one version holds."""
    return (tree.root / "usr/src/linux-headers-6.1.0-9-common/Makefile").read_text()


@pytest.mark.parametrize("suffix", ["plain", "updates", "security"])
def test_every_suite_serves(
    mirrors: Services, key: Key, tmp_path: Path, log: Log, suffix: str
) -> None:
    suites(mirrors, key, **{suffix: headers()})
    fetch(tmp_path, log).check()
    assert "headers: Debian suites: found" in written(log)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("bookworm-security/InRelease", 403),
        ("bookworm-security/InRelease", 404),
        ("bookworm-updates/main/binary-amd64/Packages", "changed"),
    ],
)
def test_backports_serve_when_the_suites_cannot(
    mirrors: Services, key: Key, tmp_path: Path, log: Log, path: str, fault: int | str
) -> None:
    suites(mirrors, key, updates=headers(), backports=headers())
    if fault == 403:
        mirrors.faults["bookworm-security/Release"] = fault
    mirrors.faults[path] = fault
    fetch(tmp_path, log).check()
    assert "headers: Debian suites: lists cannot be read" in written(log)
    assert "headers: Debian backports: found" in written(log)


@pytest.mark.parametrize("archive", ["debian-security", "debian"])
def test_the_archive_of_archives_serves_what_debian_has_removed(
    mirrors: Services, key: Key, tmp_path: Path, log: Log, archive: str
) -> None:
    suites(mirrors, key, plain=headers("6.1.0-56-amd64", "2"))
    suffix = "security" if archive == "debian-security" else "plain"
    past(mirrors, key, archive, **{suffix: headers()})
    seen(mirrors, {archive: SEEN})
    tree = fetch(tmp_path, log)
    tree.check()
    assert "headers: Debian snapshot: found" in written(log)
    assert f"/archive/{archive}/{SEEN} bookworm" in written(log)


def test_a_kernel_that_waited_for_a_point_release_is_found(
    mirrors: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    suites(mirrors, key)
    past(mirrors, key, "debian", plain=headers("6.1.0-8-amd64"), **{"proposed-updates": headers()})
    seen(mirrors, {"debian": SEEN})
    fetch(tmp_path, log).check()


def test_a_kernel_that_was_listed_some_days_after_it_was_seen_is_found(
    mirrors: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    suites(mirrors, key)
    past(mirrors, key, "debian", plain=headers())
    seen(mirrors, {"debian": "20230505T031500Z"})
    fetch(tmp_path, log).check()
    assert mirrors.count("archive/debian/20230505T031500Z") > 0


def test_the_second_archive_serves_when_the_first_cannot(
    mirrors: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    suites(mirrors, key)
    past(mirrors, key, "debian", plain=headers())
    seen(mirrors, {"debian": SEEN, "debian-security": SEEN})
    fetch(tmp_path, log).check()


def test_of_several_builds_of_a_release_the_newest_serves(
    mirrors: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    suites(mirrors, key)
    past(mirrors, key, "debian", plain=[*headers(version="2")])
    entries = {
        (f"linux-headers-{OLD}", version, "amd64"): {"debian": moment}
        for version, moment in (("2", SEEN), ("1", "20230401T000000Z"))
    }
    mirrors.rules["mr"] = SnapshotIndex(entries)
    assert makefile(fetch(tmp_path, log)) == "# of 2\n"


def test_every_build_of_a_release_has_its_turn(
    mirrors: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    suites(mirrors, key)
    past(mirrors, key, "debian", plain=[*headers(version="1")])
    early = "20230101T000000Z"
    entries = {
        (f"linux-headers-{OLD}", "2", "amd64"): {"debian": early, "debian-security": early},
        (f"linux-headers-{OLD}", "1", "amd64"): {"debian": SEEN},
    }
    mirrors.rules["mr"] = SnapshotIndex(entries)
    assert makefile(fetch(tmp_path, log)) == "# of 1\n"


def test_nothing_is_asked_for_times_to_come(
    mirrors: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    seen(mirrors, {"debian": SEEN})
    (source,) = (source for source in debian.CHAIN if isinstance(source, DebianSnapshot))
    then = datetime(2023, 5, 14, tzinfo=UTC)
    with pytest.raises(HeadersNotFound, match=SEEN):
        replace(source, clock=lambda: then).fetch(
            kernel(OLD), tmp_path / "work", tmp_path / "cache", log
        )
    asked = {path.split("/")[3] for path in mirrors.asked if path.startswith("/archive/")}
    assert asked == {SEEN, "20230513T031500Z"}


@pytest.mark.parametrize(
    ("path", "fault", "reason"),
    [
        ("mr/binary", 404, "404"),
        ("mr/binary", 403, "403"),
        ("mr/binary", 500, "500"),
        ("binfiles", "truncated", "broke off at"),
        ("binfiles", "changed", "an answer of another shape"),
        (f"{SEEN}/dists/bookworm/InRelease", "truncated", "lists cannot be read"),
        (f"{SEEN}/pool/linux-headers-{OLD}_1_amd64.deb", "changed", "download failed"),
        (f"{SEEN}/pool/linux-headers-{OLD}_1_amd64.deb", 404, "download failed"),
    ],
)
def test_the_last_error_lists_every_step_and_what_became_of_it(
    mirrors: Services,
    key: Key,
    tmp_path: Path,
    log: Log,
    path: str,
    fault: int | str,
    reason: str,
) -> None:
    suites(mirrors, key)
    past(mirrors, key, "debian", plain=headers())
    seen(mirrors, {"debian": SEEN})
    mirrors.faults[path] = fault
    with pytest.raises(BuildError) as caught:
        fetch(tmp_path, log)
    text = str(caught.value)
    assert f"1. Debian suites: linux-headers-{OLD} not listed" in text
    assert f"2. Debian backports: linux-headers-{OLD} not listed" in text
    assert "3. Debian snapshot: " in text
    assert reason in text


def test_lists_of_the_past_must_be_signed_all_the_same(
    mirrors: Services, key: Key, other_key: Key, tmp_path: Path, log: Log
) -> None:
    suites(mirrors, key)
    past(mirrors, other_key, "debian", plain=headers())
    seen(mirrors, {"debian": SEEN})
    with pytest.raises(BuildError, match=r"3\. Debian snapshot: lists cannot be read.*NO_PUBKEY"):
        fetch(tmp_path, log)


def test_another_releases_suites_are_not_looked_at(
    mirrors: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(mirrors.root / f"archive/debian/{SEEN}", "trixie", headers(), key)
    seen(mirrors, {"debian": SEEN})
    (snapshot,) = (source for source in debian.CHAIN if isinstance(source, DebianSnapshot))
    with pytest.raises(HeadersNotFound, match="bookworm"):
        snapshot.fetch(kernel(OLD), tmp_path / "work", tmp_path / "cache", log)
    assert mirrors.count("trixie") == 0


def test_a_package_of_another_architecture_alone_is_no_find(
    mirrors: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    entry = (f"linux-headers-{OLD}", "1", "arm64")
    mirrors.rules["mr"] = SnapshotIndex({entry: {"debian": SEEN}})
    (snapshot,) = (source for source in debian.CHAIN if isinstance(source, DebianSnapshot))
    with pytest.raises(HeadersNotFound, match="was seen in none of Debian's archives"):
        snapshot.fetch(kernel(OLD), tmp_path / "work", tmp_path / "cache", log)
