"""Repositories over HTTP: failures, caches, mirrors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.discovery.al2023 import Discovery, RepositorySpec, discover
from kmodbot.discovery.fetch import Fetcher
from kmodbot.discovery.fetch_errors import FetchError, Missing
from kmodbot.kernels import ARCHITECTURES

from .repositories import Cdn, kernel, livepatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SAMPLES = [livepatch("6.1.134-150.224"), livepatch("6.1.134-150.224", arch="aarch64")]
INDEX = "r/repodata/repomd.xml"
PRIMARY = "r/repodata/primary.xml.gz"


@pytest.fixture
async def cdn() -> AsyncIterator[Cdn]:
    async with Cdn() as server:
        yield server


class Pauses(list[float]):
    """Notes how long is to be waited, and does not wait."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def ask(*urls: str, cache: Path | None = None, pauses: Pauses | None = None) -> Discovery:
    specs = [RepositorySpec.parse(url) for url in urls]
    async with Fetcher(cache, pause=pauses if pauses is not None else Pauses()) as fetcher:
        return await discover(specs, ARCHITECTURES, fetcher=fetcher)


def spoil(cache: Path, kind: str = "document") -> None:
    for path in cache.glob(f"*.{kind}"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")


def kept(cache: Path) -> set[str]:
    return {path.suffix for path in cache.iterdir()}


def reason(discovery: Discovery) -> str:
    (outcome,) = discovery.outcomes
    assert outcome.status == "unknown"
    assert discovery.kernels == ()
    return outcome.reason


async def test_a_base_url_is_read(cdn: Cdn) -> None:
    discovery = await ask(cdn.add("r", SAMPLES))
    assert discovery.complete
    assert len(discovery.kernels) == 2


async def test_a_mirror_list_is_followed_with_the_architecture_in_its_lines(cdn: Cdn) -> None:
    for name in ARCHITECTURES:
        cdn.add(f"guids/1/{name}", [livepatch("6.1.134-150.224", arch=name)])
    line = cdn.url("guids/1/$basearch")
    cdn.files["mirror.list"] = line.encode()
    assert len((await ask(cdn.url("mirror.list"))).kernels) == 2
    assert cdn.requests["mirror.list"] == 1


async def test_a_list_without_a_telling_name_is_recognised(cdn: Cdn) -> None:
    cdn.files["list"] = cdn.add("r", SAMPLES).encode()
    assert len((await ask(cdn.url("list"))).kernels) == 2


async def test_the_second_mirror_helps_when_the_first_is_damaged(cdn: Cdn) -> None:
    good = cdn.add("r", SAMPLES)
    bad = cdn.add("bad", SAMPLES)
    cdn.files["bad/repodata/primary.xml.gz"] += b"!"
    cdn.files["mirror.list"] = f"{bad}\n{good}\n".encode()
    assert (await ask(cdn.url("mirror.list"))).complete


async def test_every_mirror_is_named_when_none_is_usable(cdn: Cdn) -> None:
    cdn.add("r", SAMPLES)
    del cdn.files[PRIMARY]
    cdn.files["mirror.list"] = f"{cdn.url('r')}\n{cdn.url('gone')}\n".encode()
    message = reason(await ask(cdn.url("mirror.list")))
    assert f"{cdn.url(PRIMARY)}: is not there (HTTP 403)" in message
    assert f"{cdn.url('gone/repodata/repomd.xml')}: is not there (HTTP 403)" in message


async def test_a_metalink_proves_the_index(cdn: Cdn) -> None:
    cdn.add("r", SAMPLES)
    stated = f"""<metalink xmlns="http://www.metalinker.org/"><files><file name="repomd.xml">
      <verification><hash type="sha256">{"0" * 64}</hash></verification><resources>
      <url protocol="http">{cdn.url(INDEX)}</url></resources></file></files></metalink>"""
    cdn.files["metalink"] = stated.encode()
    message = reason(await ask(cdn.url("metalink")))
    assert f"{cdn.url(INDEX)}: has the checksum sha256:" in message
    assert message.endswith(f"sha256:{'0' * 64} was stated")


async def test_403_means_missing_and_is_not_tried_again(cdn: Cdn) -> None:
    discovery = await ask(cdn.url("nothing"))
    assert "is no repository" in reason(discovery)
    assert discovery.outcomes[0].unfit
    assert set(cdn.requests.values()) == {1}


async def test_a_web_page_is_told_from_a_repository(cdn: Cdn) -> None:
    cdn.files["page"] = b"<!DOCTYPE html><html><body>Sign in</body></html>"
    discovery = await ask(cdn.url("page"))
    assert "is a web page (HTML)" in reason(discovery)
    assert discovery.outcomes[0].unfit


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_failure_is_tried_again_after_growing_pauses(cdn: Cdn, status: int) -> None:
    cdn.failures = {"r/repodata/repomd.xml": [status, status], PRIMARY: [status]}
    pauses = Pauses()
    assert (await ask(cdn.add("r", SAMPLES), pauses=pauses)).complete
    assert pauses == [0.5, 2.0, 0.5]


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 7, 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), ("999999", 60, 60), ("soon", 0.5, 0.5)],
)
async def test_the_server_may_say_how_long_to_wait(
    cdn: Cdn, header: str, low: float, high: float
) -> None:
    cdn.failures, cdn.headers = {INDEX: [503]}, {"Retry-After": header}
    pauses = Pauses()
    assert (await ask(cdn.add("r", SAMPLES), pauses=pauses)).complete
    assert low <= pauses[0] <= high


async def test_a_server_that_stays_down_is_unknown_and_left_alone(cdn: Cdn) -> None:
    cdn.add("r", SAMPLES)
    cdn.failures = {INDEX: [503] * 99}
    pauses = Pauses()
    async with Fetcher(pause=pauses) as fetcher:
        with pytest.raises(FetchError, match=r"HTTP 503 \(4 tries\)"):
            await fetcher.small(cdn.url(INDEX))
        with pytest.raises(FetchError, match=r"not tried, .* failed a moment ago: HTTP 503"):
            await fetcher.small(cdn.url(PRIMARY))
    assert (cdn.requests[INDEX], cdn.requests[PRIMARY]) == (4, 0)
    assert len(pauses) == 3


async def test_nobody_listening_is_unknown() -> None:
    pauses = Pauses()
    message = reason(await ask("http://127.0.0.1:9/r", pauses=pauses))
    assert "(4 tries)" in message
    assert len(pauses) == 3


async def test_a_second_run_asks_only_whether_anything_changed(cdn: Cdn, tmp_path: Path) -> None:
    url = cdn.add("r", SAMPLES)
    first = await ask(url, cache=tmp_path)
    cdn.statuses.clear()
    assert await ask(url, cache=tmp_path) == first
    assert {status for _, status in cdn.statuses} == {304}
    assert PRIMARY not in [path for path, _ in cdn.statuses]


async def test_a_changed_repository_is_read_anew(cdn: Cdn, tmp_path: Path) -> None:
    url = cdn.add("r", SAMPLES)
    await ask(url, cache=tmp_path)
    cdn.add("r", [*SAMPLES, kernel("6.12.58-82.121", "kernel6.12")])
    assert len((await ask(url, cache=tmp_path)).kernels) == 3


async def test_a_spoiled_cache_costs_a_request_and_nothing_else(cdn: Cdn, tmp_path: Path) -> None:
    url = cdn.add("r", SAMPLES)
    await ask(url, cache=tmp_path)
    spoil(tmp_path)
    cdn.statuses.clear()
    assert (await ask(url, cache=tmp_path)).complete
    assert {status for _, status in cdn.statuses} == {200}


async def test_a_damaged_file_in_the_cache_is_fetched_once_more(cdn: Cdn, tmp_path: Path) -> None:
    url = cdn.add("r", SAMPLES)
    first = await ask(url, cache=tmp_path)
    spoil(tmp_path, "file")
    assert await ask(url, cache=tmp_path) == first
    assert cdn.requests[PRIMARY] == 2
    assert await ask(url, cache=tmp_path) == first
    assert cdn.requests[PRIMARY] == 2


async def test_a_file_that_is_damaged_at_its_origin_too_is_refused(
    cdn: Cdn, tmp_path: Path
) -> None:
    url = cdn.add("r", SAMPLES)
    await ask(url, cache=tmp_path)
    cdn.files[PRIMARY] = cdn.files[PRIMARY][:-1] + b"!"
    spoil(tmp_path, "file")
    assert "has the checksum sha256:" in reason(await ask(url, cache=tmp_path))
    assert cdn.requests[PRIMARY] == 2


async def test_a_tampered_download_leaves_nothing_in_the_cache(cdn: Cdn, tmp_path: Path) -> None:
    url = cdn.add("r", SAMPLES)
    cdn.files[PRIMARY] = cdn.files[PRIMARY][:-1] + b"!"
    message = reason(await ask(url, cache=tmp_path))
    assert message.startswith("repodata/primary.xml.gz: has the checksum sha256:")
    assert kept(tmp_path) == {".document"}


async def test_one_connection_serves_a_host(cdn: Cdn) -> None:
    urls = [cdn.add(f"r{number}", SAMPLES) for number in range(6)]
    assert (await ask(*urls)).complete
    assert cdn.most_connections == 1


async def test_missing_is_an_error_of_its_own(cdn: Cdn, tmp_path: Path) -> None:
    async with Fetcher() as fetcher:
        for url in (cdn.url("nothing"), (tmp_path / "nothing").as_uri()):
            with pytest.raises(Missing):
                await fetcher.small(url)
        with pytest.raises(FetchError, match="names another host"):
            await fetcher.small("file://elsewhere/etc/hosts")


@pytest.mark.parametrize("status", [404, 500])
async def test_a_reason_does_not_name_the_source_again(cdn: Cdn, status: int) -> None:
    url = cdn.url("r")
    cdn.failures = {"r/repodata/repomd.xml": [status] * 9}
    said = reason(await ask(url))

    assert url not in said
    assert "repodata/repomd.xml: " in said
    assert str(status) in said
