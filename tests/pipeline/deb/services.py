"""The web services of Debian and Ubuntu on loopback, with faults on demand."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

STAMP = "%Y%m%dT%H%M%SZ"


class Services:
    """Files below `root`; what `rules` say of the first part of a path takes their place.

    `faults` are a part of an address and what becomes of requests for it: a status, `truncated`
    or `changed`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rules: dict[str, Callable[[str, Mapping[str, str]], bytes | None]] = {}
        self.faults: dict[str, int | str] = {}
        self.asked: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.services = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Services:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"

    def answer(self, path: str, query: Mapping[str, str]) -> bytes | None:
        first, _, rest = path.partition("/")
        if first in self.rules:
            return self.rules[first](rest, query)
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def count(self, part: str) -> int:
        """Return how often addresses with this part were asked for."""
        return sum(part in address for address in self.asked)


class _Server(ThreadingHTTPServer):
    services: Services
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        services = self.server.services
        services.asked.append(self.path)
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = unquote(parts.path[1:])
        fault = next((fault for part, fault in services.faults.items() if part in path), None)
        body = services.answer(path, query)
        status = fault if isinstance(fault, int) else 404 if body is None else 200
        body = body if status == 200 and body is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if fault == "truncated":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if fault == "changed":
            body = bytes(byte ^ 1 for byte in body)
        self.wfile.write(body[: len(body) // 2] if fault == "truncated" else body)

    def log_message(self, *_: object) -> None:
        """Keep the terminal quiet."""


@dataclass
class Timeline:
    """An archive over time: from each moment on it is the archive in that folder of `root`."""

    root: Path
    epochs: list[tuple[datetime, str]]

    def __call__(self, path: str, query: Mapping[str, str]) -> bytes | None:
        stamp, _, rest = path.partition("/")
        moment = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
        folders = [folder for begin, folder in self.epochs if begin <= moment]
        file = self.root / folders[-1] / rest if folders else None
        return file.read_bytes() if file is not None and file.is_file() else None


@dataclass
class Publication:
    """A package that was published in a series and an architecture, such as noble/amd64."""

    path: Path
    series: str
    pocket: str = "Updates"
    status: str = "Superseded"
    date: str = "2026-01-01T00:00:00+00:00"


class LaunchpadApi:
    """The calls of Launchpad's web service that say what was published.

    https://api.launchpad.net/devel.html
    """

    def __init__(self, base: Callable[[str], str], publications: list[Publication]) -> None:
        self.base = base
        self.publications = publications
        self.ignores_series = False

    def __call__(self, path: str, query: Mapping[str, str]) -> bytes | None:
        archive = "ubuntu/+archive/primary"
        if path == archive and query.get("ws.op") == "getPublishedBinaries":
            return self._json(self._published(query))
        number = path.removeprefix(f"{archive}/+binarypub/")
        if number.isdecimal() and query.get("ws.op") == "binaryFileUrls":
            return self._json([self._file(self.publications[int(number)].path, query)])
        return None

    def files(self, path: str, _: Mapping[str, str]) -> bytes | None:
        """Serve the files themselves."""
        name = path.removeprefix("ubuntu/+archive/primary/+files/")
        found = (each.path for each in self.publications if each.path.name == name)
        file = next(found, None)
        return file.read_bytes() if file else None

    def _published(self, query: Mapping[str, str]) -> dict[str, Any]:
        entries = [self._entry(*each) for each in enumerate(self.publications)]
        assert query["exact_match"] == "true"
        entries = [
            entry
            for entry in entries
            if entry["binary_package_name"] == query["binary_name"]
            and (self.ignores_series or entry["series"] == query["distro_arch_series"])
        ]
        return {"start": 0, "total_size": len(entries), "entries": entries}

    def _entry(self, number: int, publication: Publication) -> dict[str, Any]:
        name, version, _ = publication.path.stem.split("_")
        series = self.base(f"ubuntu/{publication.series}")
        return {
            "self_link": self.base(f"ubuntu/+archive/primary/+binarypub/{number}"),
            "binary_package_name": name,
            "binary_package_version": version,
            "distro_arch_series_link": series,
            "series": series,
            "pocket": publication.pocket,
            "status": publication.status,
            "date_published": publication.date,
        }

    def _file(self, path: Path, query: Mapping[str, str]) -> dict[str, Any]:
        assert query["include_meta"] == "true"
        data = path.read_bytes()
        return {
            "url": f"https://launchpad.net/ubuntu/+archive/primary/+files/{path.name}",
            "size": len(data),
            "sha1": sha1(data, usedforsecurity=False).hexdigest(),
            "sha256": sha256(data).hexdigest(),
        }

    @staticmethod
    def _json(answer: object) -> bytes:
        return json.dumps(answer).encode()


@dataclass
class SnapshotIndex:
    """What snapshot.debian.org says of packages: when each archive was first seen to have them.

    `seen` holds (package, version, architecture) to archive name and time.
    """

    seen: dict[tuple[str, str, str], dict[str, str]]

    def __call__(self, path: str, query: Mapping[str, str]) -> bytes | None:
        if path.endswith("/"):
            package = path.removeprefix("binary/").rstrip("/")
            versions = [{"binary_version": key[1]} for key in self.seen if key[0] == package]
            return json.dumps({"result": versions}).encode() if versions else None
        _, package, version, last = path.split("/")
        if (last, query.get("fileinfo")) != ("binfiles", "1"):
            return None
        result, info = [], {}
        for (name, number, architecture), archives in self.seen.items():
            if (name, number) == (package, version):
                result.append({"architecture": architecture, "hash": architecture})
                info[architecture] = [
                    {"archive_name": archive, "first_seen": first}
                    for archive, first in archives.items()
                ]
        return json.dumps({"result": result, "fileinfo": info}).encode()
