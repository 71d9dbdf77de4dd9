"""A server of files on loopback that fails in the ways real ones do, when it is told to."""

from __future__ import annotations

import email.utils
import hashlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """One wrong answer: an error status, or a body cut, changed, stalled or reset.

    `after` is the number of bytes that come before the trouble starts.
    """

    kind: str
    status: int = 0
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)


def status(number: int, **headers: str) -> Fault:
    """Answer with an error status."""
    return Fault(
        "status", status=number, headers={k.replace("_", "-"): headers[k] for k in headers}
    )


def truncated(after: int) -> Fault:
    """Close the connection after so many bytes of the body."""
    return Fault("truncated", after=after)


def reset(after: int = 0) -> Fault:
    """Reset the connection after so many bytes of the body."""
    return Fault("reset", after=after)


def stalled(after: int) -> Fault:
    """Send so many bytes and then nothing until the server ends."""
    return Fault("stalled", after=after)


def trickling() -> Fault:
    """Send a byte now and then until the server ends."""
    return Fault("trickling")


def changed() -> Fault:
    """Send a body of the right length with another content."""
    return Fault("changed")


RANGE_IGNORED = Fault("range ignored")
NO_VALIDATOR = Fault("no validator")
WRONG_RANGE = Fault("wrong range")


@dataclass
class Request:
    """What a client asked for and what it got."""

    path: str
    headers: dict[str, str]
    status: int = 0


class FileServer:
    """Serves the files below `root`; `faults` of a path are used up one by one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: dict[str, list[Fault]] = {}
        self.always: dict[str, Fault] = {}
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.under_way = 0
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.files = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> FileServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str = "") -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"

    def fail(self, path: str, *faults: Fault) -> None:
        """Have the next requests of a path fail in these ways, one each."""
        self.faults.setdefault(path, []).extend(faults)

    def fail_always(self, prefix: str, fault: Fault) -> None:
        """Have every request of a path that begins so fail."""
        self.always[prefix] = fault

    def asked(self, prefix: str = "") -> list[str]:
        """Return the paths that were asked for, in order."""
        return [request.path for request in self.requests if request.path.startswith(prefix)]

    def fault(self, path: str) -> Fault:
        """Return what is to go wrong with this request."""
        with self.lock:
            if self.faults.get(path):
                return self.faults[path].pop(0)
        found = [fault for prefix, fault in self.always.items() if path.startswith(prefix)]
        return found[0] if found else Fault("none")


class _Server(ThreadingHTTPServer):
    files: FileServer
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer one request."""
        files = self.server.files
        request = Request(unquote(urlsplit(self.path).path[1:]), dict(self.headers))
        with files.lock:
            files.requests.append(request)
            files.under_way += 1
            files.most_at_once = max(files.most_at_once, files.under_way)
        try:
            self._answer(request, files.fault(request.path))
        finally:
            with files.lock:
                files.under_way -= 1

    def log_message(self, *_: object) -> None:
        """Keep the terminal quiet."""

    def _answer(self, request: Request, fault: Fault) -> None:
        path = self.server.files.root / request.path
        if fault.kind == "status":
            self._start(request, fault.status, {**fault.headers, "Content-Length": "0"})
        elif not path.is_file():
            self._start(request, 404, {"Content-Length": "0"})
        else:
            self._file(request, fault, path)

    def _file(self, request: Request, fault: Fault, path: Path) -> None:
        data = path.read_bytes()
        validators = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()[:16]}"',
            "Last-Modified": email.utils.formatdate(path.stat().st_mtime, usegmt=True),
        }
        if request.headers.get("If-None-Match") == validators["ETag"]:
            self._start(request, 304, validators)
            return
        if fault.kind == "changed":
            data = bytes(byte ^ 1 for byte in data)
        start = 0 if fault.kind == "range ignored" else self._range(request, validators, len(data))
        headers = {} if fault.kind == "no validator" else validators
        headers = {**headers, "Content-Length": str(len(data) - start)}
        if start:
            shift = 1 if fault.kind == "wrong range" else 0
            headers["Content-Range"] = f"bytes {start + shift}-{len(data) - 1}/{len(data)}"
        self._start(request, 206 if start else 200, headers)
        self._body(data[start:], fault)

    @staticmethod
    def _range(request: Request, validators: dict[str, str], size: int) -> int:
        condition = request.headers.get("If-Range")
        if condition not in {None, *validators.values()}:
            return 0
        text = request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        return min(int(text), size - 1)

    def _start(self, request: Request, number: int, headers: dict[str, str]) -> None:
        request.status = number
        self.send_response(number)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, data: bytes, fault: Fault) -> None:
        ending = self.server.files.ending
        if fault.kind in {"truncated", "reset", "stalled"}:
            self.wfile.write(data[: fault.after])
            self.wfile.flush()
            if fault.kind == "stalled":
                ending.wait()
            if fault.kind == "reset":
                # Closing with this option and unread data sends a reset.
                option = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
                self.connection.close()
        elif fault.kind == "trickling":
            for byte in data:
                self.wfile.write(bytes([byte]))
                if ending.wait(0.02):
                    return
        else:
            self.wfile.write(data)


def serving(root: Path) -> Iterator[FileServer]:
    """Serve a directory for as long as a fixture lives."""
    root.mkdir(parents=True, exist_ok=True)
    with FileServer(root) as server:
        yield server
