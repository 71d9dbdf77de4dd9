"""Downloads from servers that break off, are slow, lie or say no."""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.errors import BadInput, HeadersNotFound
from kmodbot.pipeline.headers.deadline import deadline
from kmodbot.pipeline.headers.download import Absent, Downloader, Unreachable
from kmodbot.pipeline.headers.locks import host_lock
from kmodbot.pipeline.phases import Log

from .conftest import written
from .servers import (
    NO_VALIDATOR,
    RANGE_IGNORED,
    WRONG_RANGE,
    Fault,
    FileServer,
    changed,
    reset,
    serving,
    stalled,
    status,
    trickling,
    truncated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "www").mkdir()
    (tmp_path / "www/file").write_bytes(CONTENT)
    yield from serving(tmp_path / "www")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMODBOT_DOWNLOAD_WINDOW", "0.3")


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def downloader(tmp_path: Path, log: Log, waits: list[float]) -> Downloader:
    return Downloader(tmp_path / "cache", log, waits.append)


def test_a_file_comes_as_it_is(server: FileServer, downloader: Downloader, log: Log) -> None:
    path = downloader.fetch(server.url("file"), sha256=SHA256, size=len(CONTENT))
    assert path.read_bytes() == CONTENT
    assert f"headers: {server.url('file')}: 200, 0.1 MB (" in written(log)


def test_a_known_content_is_not_asked_for_again(
    server: FileServer, downloader: Downloader, log: Log
) -> None:
    first = downloader.fetch(server.url("file"), sha256=SHA256)
    assert downloader.fetch(server.url("another/place"), sha256=SHA256) == first
    assert server.asked() == ["file"]
    assert "another/place: in the cache (0.0 s)" in written(log)


def test_a_damaged_file_of_the_cache_is_fetched_anew(
    server: FileServer, downloader: Downloader
) -> None:
    downloader.fetch(server.url("file"), sha256=SHA256).write_bytes(b"damaged")
    assert downloader.fetch(server.url("file"), sha256=SHA256).read_bytes() == CONTENT


def test_without_a_checksum_the_server_is_asked_whether_the_file_changed(
    server: FileServer, downloader: Downloader
) -> None:
    assert downloader.fetch(server.url("file")) == downloader.fetch(server.url("file"))
    assert [request.status for request in server.requests] == [200, 304]
    (server.root / "file").write_bytes(b"new")
    assert downloader.fetch(server.url("file")).read_bytes() == b"new"


@pytest.mark.parametrize("number", [403, 404, 410])
def test_what_is_not_there_is_asked_for_once(
    server: FileServer, downloader: Downloader, number: int, log: Log
) -> None:
    server.fail("file", status(number))
    with pytest.raises(Absent, match=rf"^{server.url('file')}: {number} \(0\.\d s\)$"):
        downloader.fetch(server.url("file"))
    assert server.asked() == ["file"]
    assert f"headers: {server.url('file')}: {number} (" in written(log)


@pytest.mark.parametrize("number", [400, 401, 418, 451, 501])
def test_a_refusal_is_no_absence_and_is_not_asked_again(
    server: FileServer, downloader: Downloader, number: int
) -> None:
    server.fail("file", status(number))
    with pytest.raises(Unreachable, match=rf": {number} "):
        downloader.fetch(server.url("file"))
    assert server.asked() == ["file"]


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        status(503),
        status(429),
        reset(),
        reset(1000),
        truncated(0),
        truncated(1000),
        changed(),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status or fault.after}",
)
def test_trouble_that_passes_is_overcome(
    server: FileServer, downloader: Downloader, waits: list[float], fault: Fault
) -> None:
    server.fail("file", fault)
    assert downloader.fetch(server.url("file"), sha256=SHA256).read_bytes() == CONTENT
    assert len(waits) == 1
    assert 0.25 <= waits[0] <= 0.5


def test_the_number_of_tries_is_bounded_and_pauses_grow(
    server: FileServer, downloader: Downloader, waits: list[float]
) -> None:
    server.fail_always("file", status(503))
    with pytest.raises(Unreachable, match=r"file: 503 \(\d\.\d s, 4 tries\)$"):
        downloader.fetch(server.url("file"))
    assert len(server.requests) == 4
    assert [0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(waits)] == [True] * 3


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [stalled(1000), trickling()], ids=lambda fault: fault.kind)
def test_a_server_that_became_slow_is_asked_again(
    server: FileServer, downloader: Downloader, fault: Fault
) -> None:
    server.fail("file", fault)
    assert downloader.fetch(server.url("file"), sha256=SHA256).read_bytes() == CONTENT
    assert len(server.requests) > 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (truncated(1000), "broke off at 1000 of 102400 bytes"),
        (changed(), f"has sha256 [0-9a-f]+, expected {SHA256}"),
        (trickling(), r"too slow \(\d+ bytes in 0.3 s, expected 30000\)"),
        (stalled(0), "nothing came for 0.3 s"),
    ],
    ids=["truncated", "changed", "trickling", "stalled"],
)
def test_trouble_that_stays_is_named(
    server: FileServer,
    tmp_path: Path,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    text: str,
) -> None:
    monkeypatch.setenv("KMODBOT_DOWNLOAD_TRIES", "1")
    server.fail_always("file", fault)
    with pytest.raises(Unreachable, match=text):
        Downloader(tmp_path / "cache", log).fetch(server.url("file"), sha256=SHA256)


def test_a_slow_server_may_take_its_time_as_long_as_enough_comes(
    server: FileServer, tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Windows so short that the file needs many of them, none of which brings too little.
    monkeypatch.setenv("KMODBOT_DOWNLOAD_WINDOW", "0.0001")
    monkeypatch.setattr("kmodbot.pipeline.headers.transfer.Pace.floor", 1)
    copy = (server.root / "file").as_uri()
    assert Downloader(tmp_path / "cache", log).fetch(copy).read_bytes() == CONTENT


@pytest.mark.parametrize("asked", [20, 60])
def test_retry_after_is_obeyed(
    server: FileServer, downloader: Downloader, waits: list[float], asked: int
) -> None:
    server.fail("file", status(503, Retry_After=str(asked)))
    downloader.fetch(server.url("file"))
    assert asked < waits[0] <= asked + 0.5


def test_a_server_that_asks_for_too_long_a_wait_is_left(
    server: FileServer, downloader: Downloader, waits: list[float]
) -> None:
    server.fail("file", status(429, Retry_After="3600"))
    with pytest.raises(Unreachable, match="asks to come back in 3600 s"):
        downloader.fetch(server.url("file"))
    assert waits == []


@pytest.mark.parametrize("checked", [True, False], ids=["with sha256", "without"])
def test_a_broken_download_goes_on_where_it_broke_off(
    server: FileServer, downloader: Downloader, checked: bool
) -> None:
    server.fail("file", truncated(70_000), reset(0))
    path = downloader.fetch(server.url("file"), sha256=SHA256 if checked else None)
    assert path.read_bytes() == CONTENT
    assert [r.headers.get("Range") for r in server.requests] == [None, *["bytes=70000-"] * 2]
    assert server.requests[1].headers["If-Range"].startswith('"')
    assert server.requests[1].status == 206


def test_a_broken_download_goes_on_in_another_process(
    server: FileServer, downloader: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMODBOT_DOWNLOAD_TRIES", "1")
    server.fail("file", truncated(70_000))
    with pytest.raises(Unreachable):
        Downloader(tmp_path / "cache", Log()).fetch(server.url("file"), sha256=SHA256)
    assert downloader.fetch(server.url("file"), sha256=SHA256).read_bytes() == CONTENT
    assert server.requests[-1].headers["Range"] == "bytes=70000-"


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(
    server: FileServer, downloader: Downloader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMODBOT_DOWNLOAD_TRIES", "1")
    server.fail("file", truncated(70_000))
    with pytest.raises(Unreachable):
        Downloader(tmp_path / "cache", Log()).fetch(server.url("file"))
    (server.root / "file").write_bytes(b"another" * 20_000)
    assert downloader.fetch(server.url("file")).read_bytes() == b"another" * 20_000
    assert server.requests[-1].status == 200


@pytest.mark.parametrize("fault", [RANGE_IGNORED, WRONG_RANGE], ids=lambda fault: fault.kind)
def test_a_server_that_cannot_resume_sends_it_all_again(
    server: FileServer, downloader: Downloader, fault: Fault
) -> None:
    server.fail("file", truncated(70_000), fault)
    assert downloader.fetch(server.url("file"), sha256=SHA256).read_bytes() == CONTENT


def test_without_validator_and_checksum_nothing_is_resumed(
    server: FileServer, downloader: Downloader
) -> None:
    server.fail("file", Fault("no validator"), NO_VALIDATOR)
    downloader.fetch(server.url("file"))
    downloader.fetch(server.url("file"))
    assert [request.status for request in server.requests] == [200, 200]
    assert "If-None-Match" not in server.requests[1].headers


def test_a_file_of_another_size_is_refused(server: FileServer, downloader: Downloader) -> None:
    with pytest.raises(Unreachable, match="has 102400 bytes, expected 5"):
        downloader.fetch(server.url("file"), size=5)


def test_a_document_is_read_up_to_its_limit(server: FileServer, downloader: Downloader) -> None:
    assert downloader.read(server.url("file"), limit=len(CONTENT)) == CONTENT
    (server.root / "large").write_bytes(CONTENT)
    with pytest.raises(Unreachable, match="has more than 102399 bytes"):
        downloader.read(server.url("large"), limit=len(CONTENT) - 1)
    assert server.asked() == ["file", "large"]


def test_a_local_file_needs_no_server(tmp_path: Path, downloader: Downloader) -> None:
    (tmp_path / "a file+1").write_bytes(CONTENT)
    url = (tmp_path / "a file+1").as_uri()
    assert downloader.fetch(url, sha256=SHA256).read_bytes() == CONTENT
    assert downloader.read(url) == CONTENT
    with pytest.raises(Absent, match="no such file"):
        downloader.fetch(f"{url}.absent")


def test_a_redirect_is_followed_and_the_name_on_top_is_kept(
    server: FileServer, downloader: Downloader
) -> None:
    server.fail("moved", status(302, Location="/file?signature=secret"))
    assert downloader.fetch(server.url("moved"), sha256=SHA256).read_bytes() == CONTENT
    assert server.asked() == ["moved", "file"]


def test_a_circle_of_redirects_ends(server: FileServer, downloader: Downloader) -> None:
    server.fail_always("moved", status(301, Location="/moved"))
    with pytest.raises(Unreachable, match="redirected more than 5 times"):
        downloader.fetch(server.url("moved"))
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "http://user:secret@127.0.0.1/", "ftp://127.0.0.1/", "//["]
)
def test_a_redirect_out_of_the_web_is_refused(
    server: FileServer, downloader: Downloader, target: str
) -> None:
    server.fail("moved", status(302, Location=target))
    with pytest.raises(HeadersNotFound) as caught:
        downloader.fetch(server.url("moved"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://user:secret@127.0.0.1/x", "ftp://127.0.0.1/x", "x", "http://127.0.0.1/a b"]
)
def test_an_address_that_is_none_is_refused_without_its_password(
    downloader: Downloader, url: str
) -> None:
    with pytest.raises(Unreachable, match="not an address of http, https or file") as caught:
        downloader.fetch(url)
    assert "secret" not in str(caught.value)


def test_nobody_there_is_named(downloader: Downloader, waits: list[float]) -> None:
    with pytest.raises(Unreachable, match=r"Connection refused.*4 tries"):
        downloader.fetch("http://127.0.0.1:9/file")
    assert len(waits) == 3


def test_one_host_is_asked_one_thing_at_a_time(server: FileServer, tmp_path: Path) -> None:
    for number in range(8):
        (server.root / f"{number}").write_bytes(CONTENT)

    def fetch(number: int) -> bytes:
        with (tmp_path / "log").open("a") as stream:
            downloader = Downloader(tmp_path / "cache", Log(stream=stream))
            return downloader.fetch(server.url(f"{number}")).read_bytes()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(fetch, range(8))) == {CONTENT}
    assert server.most_at_once == 1


def _fetch_elsewhere(cache: Path, url: str) -> None:
    with (cache / "log").open("a") as stream:
        Downloader(cache, Log(stream=stream)).fetch(url, sha256=SHA256)


def test_processes_that_want_one_file_download_it_once(server: FileServer, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    words = (tmp_path, server.url("file"))
    processes = [context.Process(target=_fetch_elsewhere, args=words) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.asked() == ["file"]


def test_nothing_is_asked_when_the_time_for_headers_is_over(
    server: FileServer, downloader: Downloader
) -> None:
    late = pytest.raises(HeadersNotFound, match=r"/file: not asked, because the 1e-06 s for")
    with deadline({"KMODBOT_HEADERS_SECONDS": "0.000001"}), late:
        downloader.fetch(server.url("file"))
    assert server.asked() == []


def test_no_try_is_begun_that_would_come_after_the_time_for_headers(
    server: FileServer, downloader: Downloader, waits: list[float]
) -> None:
    server.fail("file", status(503, Retry_After="31"))
    with deadline({"KMODBOT_HEADERS_SECONDS": "30"}), pytest.raises(Unreachable, match=r"503 \("):
        downloader.fetch(server.url("file"))
    assert (server.asked(), waits) == (["file"], [])


def test_the_lock_of_a_host_keeps_others_out(server: FileServer, tmp_path: Path) -> None:
    with host_lock(tmp_path / "cache", server.url()):
        other = threading.Thread(
            target=lambda: Downloader(tmp_path / "cache", Log()).fetch(server.url("file"))
        )
        other.start()
        other.join(0.05)
        assert server.asked() == []
    other.join()
    assert server.asked() == ["file"]


@pytest.mark.parametrize("name", ["KMODBOT_DOWNLOAD_WINDOW", "KMODBOT_DOWNLOAD_TRIES"])
@pytest.mark.parametrize("value", ["many", "0", "-1", "nan", "1e9"])
def test_a_setting_that_is_no_number_is_named(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=f"^{name}: expected a number"):
        Downloader(tmp_path, log)
