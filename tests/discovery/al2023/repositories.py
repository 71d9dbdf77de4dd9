"""Repositories for the tests, on the disk and over HTTP, with metadata by createrepo_c."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import createrepo_c  # type: ignore[import-untyped]
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.discovery.rpmmd.documents import COMPRESSIONS, Sample, primary_xml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DIST = "amzn2023"

#: What Amazon's repositories hold beside kernels, and other traps.
NOISE = [
    Sample("kernel-livepatch-repo-cdn", "2023.9.20251208", f"0.{DIST}", "noarch"),
    Sample("kernel-livepatch-repo-s3", "2023.9.20251208", f"0.{DIST}", "noarch"),
    Sample("kernel-livepatch-6.1.9-9.9-debuginfo", "1.0", f"1.{DIST}"),
    Sample("kernel-livepatch-6.1.9-9.9-debugsource", "1.0", f"1.{DIST}"),
    Sample("kernel-livepatch-6.1.9-9.9", "1.0", f"1.{DIST}", "src"),
    Sample("kernel-livepatch-6_4_0-150600_10-default", "1", "1.1"),
    Sample("kernel6.12", "6.12.9", f"9.9.{DIST}", "src", "1"),
    Sample("kernel-headers", "6.1.9", f"9.9.{DIST}", epoch="1"),
    Sample("kernel6.12-modules-extra", "6.12.9", f"9.9.{DIST}", epoch="1"),
    Sample("kernel-tools", "6.1.9", f"9.9.{DIST}", epoch="1"),
    Sample("kpatch-runtime", "0.9.7", f"6.{DIST}", "noarch"),
    Sample("kpatch-dnf", "0.9.7", f"6.{DIST}", "noarch"),
    Sample("bash", "5.2.15", f"1.{DIST}"),
]


def livepatch(base: str, number: int = 1, arch: str = "x86_64", dist: str = DIST) -> Sample:
    """Return a package with live patches for the kernel of this version and release."""
    return Sample(f"kernel-livepatch-{base}", "1.0", f"{number}.{dist}", arch)


def kernel(base: str, family: str = "kernel", arch: str = "x86_64", epoch: str = "1") -> Sample:
    """Return a package of the core repository: a kernel, or its headers as ``FAMILY-devel``."""
    version, release = base.split("-")
    return Sample(family, version, f"{release}.{DIST}", arch, epoch)


def files(samples: Iterable[Sample], compression: str = "gz") -> dict[str, bytes]:
    """Return the metadata of a repository with these packages, by path."""
    document = primary_xml(samples).encode()
    data = COMPRESSIONS[compression](document)
    name = f"repodata/primary.xml.{compression}"
    record = createrepo_c.RepomdRecord("primary")
    record.location_href = name
    record.checksum_type = record.checksum_open_type = "sha256"
    record.checksum = hashlib.sha256(data).hexdigest()
    record.checksum_open = hashlib.sha256(document).hexdigest()
    record.size, record.size_open = len(data), len(document)
    index = createrepo_c.Repomd()
    index.set_record(record)
    return {"repodata/repomd.xml": index.xml_dump().encode(), name: data}


def on_disk(folder: Path, samples: Iterable[Sample], compression: str = "gz") -> str:
    """Write a repository into a folder and return its URL."""
    for name, data in files(samples, compression).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder.as_uri()


@dataclass
class Cdn:
    """A server of files that answers as Amazon's does: 403 for what is not there."""

    files: dict[str, bytes] = field(default_factory=dict)
    #: Path -> statuses to answer with before the file is given.
    failures: dict[str, list[int]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    statuses: list[tuple[str, int]] = field(default_factory=list)
    most_connections: int = 0
    _connections: set[object] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._server = TestServer(app)
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://{self._server.host}:{self._server.port}/{path}"

    def add(self, folder: str, samples: Iterable[Sample], compression: str = "gz") -> str:
        """Serve a repository in a folder and return its URL."""
        self.files |= {f"{folder}/{k}": v for k, v in files(samples, compression).items()}
        return self.url(folder)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.requests[path] += 1
        transport = request.transport
        self._connections = {item for item in self._connections if not _closing(item)}
        self._connections.add(transport)
        self.most_connections = max(self.most_connections, len(self._connections))
        await asyncio.sleep(0)
        response = self._response(request, path)
        self.statuses.append((path, response.status))
        return response

    def _response(self, request: web.Request, path: str) -> web.Response:
        if self.failures.get(path):
            return web.Response(status=self.failures[path].pop(0), headers=self.headers)
        if path not in self.files:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        etag = f'"{hashlib.sha256(self.files[path]).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        return web.Response(body=self.files[path], headers={"ETag": etag})


def _closing(transport: object) -> bool:
    return isinstance(transport, asyncio.BaseTransport) and transport.is_closing()
