"""The releases of one repository over HTTP, with failures on demand."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REPOSITORY = "/api/v3/repos/acme/hello-driver"
UPLOADS = "/api/uploads/repos/acme/hello-driver"


@dataclass
class Failure:
    """What happens once to the next request of this method whose path ends so."""

    method: str
    path: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "failure on demand"
    applied: bool = False


class Releases(ThreadingHTTPServer):
    """Answers the calls of the builder as GitHub does."""

    daemon_threads = True

    def __init__(self) -> None:
        self.releases: dict[str, dict[str, Any]] = {}
        self.failures: list[Failure] = []
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.hide_digests = False
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def assets(self, tag: str) -> list[dict[str, Any]]:
        assets: list[dict[str, Any]] = self.releases[tag]["assets"]
        return assets

    def add_release(self, tag: str) -> dict[str, Any]:
        number = len(self.releases) + 1
        upload = f"{self.address}{UPLOADS}/releases/{number}/assets{{?name,label}}"
        release = {"id": number, "tag_name": tag, "upload_url": upload, "assets": []}
        self.releases[tag] = release
        return release

    def add_asset(
        self, tag: str, name: str, content: bytes, state: str = "uploaded"
    ) -> dict[str, Any]:
        number = sum(len(release["assets"]) for release in self.releases.values()) + 1
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        asset = {
            "id": number,
            "name": name,
            "state": state,
            "size": len(content),
            "digest": None if self.hide_digests else digest,
            "browser_download_url": f"{self.address}/acme/hello-driver/{tag}/{name}",
        }
        self.assets(tag).append(asset)
        return asset

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Any]:
        """Apply one request and return status and JSON."""
        parts = urlsplit(target)
        if method == "GET" and (match := re.search(r"/releases/tags/(.+)$", parts.path)):
            release = self.releases.get(unquote(match[1]))
            return (200, release) if release else (404, {"message": "Not Found"})
        if match := re.search(r"/releases/(\d+)/assets$", parts.path):
            release = next(r for r in self.releases.values() if r["id"] == int(match[1]))
            query = parse_qs(parts.query)
            if method == "GET":
                start = (int(query["page"][0]) - 1) * 100
                return 200, release["assets"][start : start + 100]
            return self._uploaded(release, query["name"][0], body)
        if method == "POST":
            return self._created(json.loads(body))
        return self._deleted(int(parts.path.rpartition("/")[2]))

    def _created(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        if wanted["tag_name"] in self.releases:
            return 422, problem("Release", "tag_name", "already_exists")
        release = self.add_release(wanted["tag_name"])
        release.update(wanted)
        return 201, release

    def _uploaded(self, release: dict[str, Any], name: str, body: bytes) -> tuple[int, Any]:
        if any(asset["name"] == name for asset in release["assets"]):
            return 422, problem("ReleaseAsset", "name", "already_exists")
        if len(release["assets"]) >= 1000:
            return 422, {"message": "Validation Failed: too many assets", "errors": []}
        return 201, self.add_asset(release["tag_name"], name, body)

    def _deleted(self, number: int) -> tuple[int, Any]:
        for release in self.releases.values():
            release["assets"] = [asset for asset in release["assets"] if asset["id"] != number]
        return 204, None


def problem(resource: str, name: str, code: str) -> dict[str, Any]:
    """Return the body of GitHub's 422."""
    errors = [{"resource": resource, "field": name, "code": code}]
    return {"message": "Validation Failed", "errors": errors}


class Handler(BaseHTTPRequestHandler):
    """Hands requests to the server and failures to the client."""

    server: Releases

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        server.requests.append((self.command, self.path))
        server.headers.append(dict(self.headers))
        failure = self._failure()
        if failure is None:
            self._send(*server.answer(self.command, self.path, body))
            return
        if failure.applied:
            server.answer(self.command, self.path, body)
        self._send(failure.status, {"message": failure.message}, failure.headers)

    # The names http.server looks for.
    do_GET = handle_any  # noqa: N815
    do_POST = handle_any  # noqa: N815
    do_DELETE = handle_any  # noqa: N815

    def _failure(self) -> Failure | None:
        for failure in self.server.failures:
            path = urlsplit(self.path).path
            if failure.method == self.command and path.endswith(failure.path):
                self.server.failures.remove(failure)
                return failure
        return None

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = b"" if content is None else json.dumps(content).encode()
        if not status:
            # The connection breaks off without a word.
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""
