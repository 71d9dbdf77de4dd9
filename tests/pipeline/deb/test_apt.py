"""apt trusts signed lists only, and a suite that is missing does not take the others along."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers.apt import Archive, IsolatedApt
from kmodbot.pipeline.headers.locks import host_lock

from ..conftest import written
from .archives import Deb, Key, publish

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.phases import Log

    from .services import Services

HEADERS = Deb("linux-headers-x", "1", "amd64")


def make_apt(
    services: Services,
    key: Key,
    cache: Path,
    log: Log,
    *,
    suites: tuple[str, ...] = ("stable",),
    frozen: bool = False,
) -> IsolatedApt:
    archive = Archive(services.url("debian"), suites, key.keyring, frozen=frozen)
    return IsolatedApt(cache / "apt", [archive], ["amd64"], cache, log, lenient=frozen)


def names(apt: IsolatedApt) -> list[str]:
    with apt.locked():
        return apt.names("linux-headers-")


def test_every_request_is_logged_with_its_outcome(
    services: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], key)
    apt = make_apt(services, key, tmp_path / "cache", log)
    with apt.locked():
        apt.download(apt.show(["linux-headers-x"]))
    assert f"headers: {services.url('debian')} stable: lists read (" in written(log)
    assert f"headers: {services.url('debian')} stable: 1 packages, 0.0 MB (" in written(log)


def test_lists_are_read_again_only_after_a_while(
    services: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], key)
    for _ in range(2):
        assert names(make_apt(services, key, tmp_path, log)) == ["linux-headers-x"]
    assert services.count("InRelease") == 1


def test_a_package_that_is_in_the_cache_is_not_asked_for(
    services: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], key)
    for _ in range(2):
        apt = make_apt(services, key, tmp_path, log)
        with apt.locked():
            (path,) = apt.download(apt.show(["linux-headers-x"]))
            assert path.is_file()
    assert services.count(".deb") == 1


def test_an_archive_that_nobody_signed_is_not_trusted(
    services: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], None)
    with pytest.raises(HeadersNotFound, match=r"lists cannot be read.*not signed"):
        names(make_apt(services, key, tmp_path, log))


@pytest.mark.parametrize("frozen", [False, True])
def test_an_archive_that_another_key_signed_is_not_trusted(
    services: Services, key: Key, other_key: Key, tmp_path: Path, log: Log, frozen: bool
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], other_key)
    with pytest.raises(HeadersNotFound, match=r"lists cannot be read.*NO_PUBKEY"):
        names(make_apt(services, key, tmp_path, log, frozen=frozen))


def test_lists_that_are_out_of_date_are_used_only_of_an_archive_of_the_past(
    services: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], key, valid_for=-timedelta(hours=1))
    with pytest.raises(HeadersNotFound, match=r"lists cannot be read.*expired"):
        names(make_apt(services, key, tmp_path, log))
    assert names(make_apt(services, key, tmp_path, log, frozen=True)) == ["linux-headers-x"]


def test_a_suite_that_is_missing_leaves_the_others_of_an_archive_of_the_past(
    services: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], key)
    suites = ("stable", "stable-updates")
    with pytest.raises(HeadersNotFound, match="stable-updates"):
        names(make_apt(services, key, tmp_path, log, suites=suites))
    apt = make_apt(services, key, tmp_path, log, suites=suites, frozen=True)
    assert names(apt) == ["linux-headers-x"]


def test_a_package_other_than_the_lists_promise_is_refused(
    services: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], key)
    services.faults["linux-headers-x_1_amd64.deb"] = "changed"
    apt = make_apt(services, key, tmp_path, log)
    with apt.locked(), pytest.raises(HeadersNotFound, match="download failed"):
        apt.download(apt.show(["linux-headers-x"]))
    services.faults.clear()
    with apt.locked():
        assert apt.download(apt.show(["linux-headers-x"]))


def test_a_host_that_another_builder_asks_is_not_asked_at_the_same_time(
    services: Services, key: Key, tmp_path: Path, log: Log
) -> None:
    publish(services.root / "debian", "stable", [HEADERS], key)
    apt = make_apt(services, key, tmp_path, log)
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(names(apt)))
    with host_lock(tmp_path, services.url("")):
        thread.start()
        thread.join(0.3)
        assert services.asked == []
    thread.join()
    assert found == ["linux-headers-x"]
