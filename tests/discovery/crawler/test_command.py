"""``kmodbot discover crawler`` on files and addresses."""

from __future__ import annotations

import argparse
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kmodbot.discovery.commands import crawler

from .lists import deb, list_of_2022

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = {
    "ubuntu": [
        {
            "kernelversion": "51~22.04.1",
            "kernelrelease": "6.8.0-50-hwe",
            "target": "ubuntu-hwe",
            "headers": [
                deb("6.8.0-50-generic", "6.8.0-50.51~22.04.1"),
                deb("6.8.0-50-lowlatency", "6.8.0-50.51~22.04.1"),
            ],
        },
        {
            "kernelversion": "8",
            "kernelrelease": "6.8.0-1008-nvidia",
            "target": "ubuntu-nvidia",
        },
    ],
    "photon": [{"kernelversion": "1", "kernelrelease": "6.1.10-1.ph5", "target": "photon"}],
}


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    crawler.add_arguments(parser)
    return crawler.run(parser.parse_args(words))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(CONTENT), encoding="utf-8")
    return path


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        pages = {
            "/x86_64/list.json": json.dumps(CONTENT).encode(),
            "/": b"<!DOCTYPE html><title>kernel-crawler</title>",
            "/short": json.dumps(CONTENT).encode()[:-200],
        }
        content = pages.get(self.path)
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_json_has_one_object_for_each_entry(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(path), "--arch", "x86_64", "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == [
        {
            "source": {
                "target": "ubuntu-hwe",
                "kernelrelease": "6.8.0-50-hwe",
                "kernelversion": "51~22.04.1",
            },
            "status": "ok",
            "distribution": "ubuntu",
            "distroversion": "22.04",
            "architecture": "x86_64",
            "kernelrelease": "6.8.0-50-generic",
            "candidates": ["22.04", "24.04"],
            "reason": "its headers are also of 6.8.0-50-lowlatency",
        },
        {
            "source": {
                "target": "ubuntu-nvidia",
                "kernelrelease": "6.8.0-1008-nvidia",
                "kernelversion": "8",
            },
            "status": "ambiguous",
            "distribution": "ubuntu",
            "distroversion": None,
            "architecture": "x86_64",
            "kernelrelease": "6.8.0-1008-nvidia",
            "candidates": ["22.04", "24.04"],
            "reason": "may be ubuntu 22.04 or 24.04",
        },
        {
            "source": {"target": "photon", "kernelrelease": "6.1.10-1.ph5", "kernelversion": "1"},
            "status": "unsupported",
            "distribution": None,
            "distroversion": None,
            "architecture": "x86_64",
            "kernelrelease": None,
            "candidates": [],
            "reason": "photon is not supported",
        },
    ]
    # Each object on a line of its own, the counts out of the way.
    assert len(printed.out.splitlines()) == 3 + 2
    assert "3 entries name 3 kernels" in printed.err


def test_people_get_counts_and_reasons(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(path)) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["ubuntu", "1", "1", "0", "22.04:", "1"] in lines
    assert ["photon", "0", "0", "1"] in lines
    assert ["all", "1", "1", "1"] in lines
    assert ["1", "of", "ubuntu:", "may", "be", "ubuntu", "22.04", "or", "24.04"] in lines


def test_the_whole_list_of_2022_is_read_with_its_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(list_of_2022())
    assert run(str(path), "--json", "--arch", "x86_64") == 0
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 4544
    assert "4544 entries name 4020 kernels" in printed.err
    assert ["all", "3183", "22", "1339"] in [line.split() for line in printed.err.splitlines()]


def test_an_address_is_read_and_its_folder_names_the_architecture(
    server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"{server}/x86_64/list.json", "--json") == 0
    assert {item["architecture"] for item in json.loads(capsys.readouterr().out)} == {"x86_64"}


def test_an_architecture_that_is_missing_is_said(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(path), "--json") == 0
    (_, nvidia, _) = json.loads(capsys.readouterr().out)
    assert nvidia["architecture"] is None


@pytest.mark.parametrize(
    ("place", "status", "message"),
    [
        ("/", 2, "this is HTML, not JSON"),
        ("/short", 2, "fetch the list again"),
        ("/missing", 1, "HTTP Error 404"),
    ],
)
def test_an_address_that_is_no_list_is_refused(
    server: str, capsys: pytest.CaptureFixture[str], place: str, status: int, message: str
) -> None:
    assert run(f"{server}{place}") == status
    printed = capsys.readouterr()
    assert printed.err.startswith(f"kmodbot discover crawler: {server}{place}: ")
    assert message in printed.err
    assert printed.out == ""


def test_a_failure_in_the_middle_leaves_no_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, output = tmp_path / "list.json", tmp_path / "out.json"
    broken.write_text(json.dumps(CONTENT)[:-1], encoding="utf-8")
    output.write_text("what was there", encoding="utf-8")
    assert run(str(broken), "--json", "-o", str(output)) == 2
    assert output.read_text() == "what was there"
    assert capsys.readouterr().out == ""
    assert sorted(tmp_path.iterdir()) == [broken, output]


def test_output_goes_to_a_file(path: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    assert run(str(path), "-o", str(output)) == 0
    assert len(json.loads(output.read_text())) == 3
    assert output.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/nonexistent/list.json"], "/nonexistent/list.json: No such file or directory"),
        (["LIST", "--arch", "aarch64"], "ubuntu[0] is of x86_64, not aarch64; correct --arch"),
        (["LIST", "-o", "/nonexistent/out"], "choose another -o"),
    ],
)
def test_a_wrong_argument_is_named(
    path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert run(*[word.replace("LIST", str(path)) for word in words]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_is_no_file_to_write_to(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(path), "-o", str(tmp_path)) == 2
    message = f"kmodbot discover crawler: {tmp_path}: Is a directory; choose another -o\n"
    assert capsys.readouterr().err == message
