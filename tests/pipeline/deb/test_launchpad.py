"""Of what Launchpad ever published only the right build for the right series is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import Kernel
from kmodbot.pipeline.errors import HeadersNotFound
from kmodbot.pipeline.headers import ubuntu
from kmodbot.pipeline.headers.launchpad import Launchpad

from ..conftest import written
from .archives import Deb, build, ubuntu_headers
from .services import LaunchpadApi, Publication, Services

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.phases import Log

RELEASE = "6.8.0-63-generic"
NOBLE = Kernel("ubuntu", "24.04", "x86_64", RELEASE)
(LAUNCHPAD,) = (source for source in ubuntu.CHAIN if isinstance(source, Launchpad))


class Published:
    """What was published, to be added to."""

    def __init__(self, services: Services) -> None:
        self.pool = services.root / "pool"
        self.pool.mkdir(parents=True)
        self.api = LaunchpadApi(lambda path: services.url(f"api/{path}"), [])
        services.rules["api"] = self.api
        services.rules["launchpad"] = self.api.files

    def add(
        self,
        debs: list[Deb],
        series: str = "noble/amd64",
        *,
        pocket: str = "Updates",
        status: str = "Superseded",
        date: str = "2026-01-01T00:00:00+00:00",
    ) -> None:
        paths = (build(deb, self.pool) for deb in debs)
        made = [Publication(path, series, pocket, status, date) for path in paths]
        self.api.publications += made


@pytest.fixture
def published(mirrors: Services) -> Published:
    return Published(mirrors)


def fetch(kernel: Kernel, tmp_path: Path, log: Log) -> str:
    """Return the version of the headers that Launchpad serves."""
    tree = LAUNCHPAD.fetch(kernel, tmp_path / "work", tmp_path / "cache", log)
    tree.check()
    return (tree.path / "include/x.h").read_text()


def test_the_package_that_flavours_share_is_read_from_the_package(
    published: Published, tmp_path: Path, log: Log
) -> None:
    kernel = Kernel("ubuntu", "22.04", "x86_64", "6.8.0-1021-azure")
    debs = ubuntu_headers(
        kernel.release, "6.8.0-1021.25~22.04.1", shared="linux-azure-6.8-headers-6.8.0-1021"
    )
    published.add(debs, "jammy/amd64")
    assert fetch(kernel, tmp_path, log) == "6.8.0-1021.25~22.04.1"
    assert "headers: linux-azure-6.8-headers-6.8.0-1021 6.8.0-1021.25~22.04.1" in written(log)


@pytest.mark.parametrize("ignores_series", [False, True])
def test_another_series_build_of_the_release_never_serves(
    published: Published, tmp_path: Path, log: Log, ignores_series: bool
) -> None:
    published.api.ignores_series = ignores_series
    published.add(ubuntu_headers(RELEASE, "6.8.0-63.66~22.04.1"), "jammy/amd64")
    published.add(ubuntu_headers(RELEASE, "6.8.0-63.66", architecture="arm64"), "noble/arm64")
    with pytest.raises(HeadersNotFound, match=r"was never published in ubuntu/noble/amd64"):
        fetch(NOBLE, tmp_path, log)
    published.add(ubuntu_headers(RELEASE, "6.8.0-63.66"))
    assert fetch(NOBLE, tmp_path / "again", log) == "6.8.0-63.66"


@pytest.mark.parametrize("status", ["Published", "Superseded", "Deleted", "Obsolete"])
def test_what_was_published_serves_whatever_became_of_it(
    published: Published, tmp_path: Path, log: Log, status: str
) -> None:
    published.add(ubuntu_headers(RELEASE, "1"), status=status)
    assert fetch(NOBLE, tmp_path, log) == "1"


def test_what_waits_for_publication_does_not_serve(
    published: Published, tmp_path: Path, log: Log
) -> None:
    published.add(ubuntu_headers(RELEASE, "1"), status="Pending")
    with pytest.raises(HeadersNotFound, match="was never published"):
        fetch(NOBLE, tmp_path, log)


def test_of_several_builds_the_newest_that_left_proposed_serves(
    published: Published, tmp_path: Path, log: Log
) -> None:
    published.add(ubuntu_headers(RELEASE, "1"), date="2026-01-01T00:00:00+00:00")
    published.add(ubuntu_headers(RELEASE, "2"), date="2026-02-01T00:00:00+00:00")
    published.add(ubuntu_headers(RELEASE, "3"), pocket="Proposed", date="2026-03-01T00:00:00+00:00")
    assert fetch(NOBLE, tmp_path, log) == "2"


def test_headers_of_two_builds_are_never_mixed(
    published: Published, tmp_path: Path, log: Log
) -> None:
    own, _ = ubuntu_headers(RELEASE, "2")
    _, shared = ubuntu_headers(RELEASE, "1")
    published.add([own, shared])
    with pytest.raises(HeadersNotFound, match=r"linux-headers-6\.8\.0-63 2 was never published"):
        fetch(NOBLE, tmp_path, log)


def test_a_file_that_holds_another_package_is_refused(
    published: Published, tmp_path: Path, log: Log
) -> None:
    published.add(ubuntu_headers(RELEASE, "1"))
    other = build(ubuntu_headers(RELEASE, "2")[0], tmp_path)
    own = published.pool / f"linux-headers-{RELEASE}_1_amd64.deb"
    own.write_bytes(other.read_bytes())
    with pytest.raises(HeadersNotFound, match=f"holds linux-headers-{RELEASE}:amd64=2"):
        fetch(NOBLE, tmp_path, log)


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b'{"entries": 1}',
        b'{"entries": [1]}',
        b'{"entries": [{"distro_arch_series_link": "x/ubuntu/noble/amd64", "status": "Published", '
        b'"binary_package_name": "linux-headers-6.8.0-63-generic", '
        b'"self_link": "http://elsewhere.example/"}]}',
    ],
)
def test_answers_of_another_shape_are_refused(
    mirrors: Services, tmp_path: Path, log: Log, answer: bytes
) -> None:
    mirrors.rules["api"] = lambda path, query: answer
    with pytest.raises(HeadersNotFound, match="another shape than expected"):
        fetch(NOBLE, tmp_path, log)


@pytest.mark.parametrize(
    "file",
    [
        '{"url": "https://x.example/../../x.txt", "size": 1, "sha256": "' + "0" * 64 + '"}',
        '{"url": "https://x.example/x.deb", "size": 1, "sha256": null}',
        '{"url": "https://x.example/x.deb", "size": "many", "sha256": ""}',
        '"https://x.example/x.deb"',
    ],
)
def test_a_file_without_a_checksum_or_a_sane_name_is_refused(
    mirrors: Services, published: Published, tmp_path: Path, log: Log, file: str
) -> None:
    published.add(ubuntu_headers(RELEASE, "1"))
    api = published.api
    mirrors.rules["api"] = lambda path, query: (
        f"[{file}]".encode() if "+binarypub" in path else api(path, query)
    )
    with pytest.raises(HeadersNotFound, match="another shape than expected"):
        fetch(NOBLE, tmp_path, log)
