"""A boot storm: many connections that are open at once, on each of which one node asks.

``python -m bench.storm URL CONNECTIONS KERNELS FIRST`` prints what came of it as JSON. The client
is a process of its own and does as little as it can: it shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bench.processes import ROOT, MeasurementFailed, allow_many_files

if TYPE_CHECKING:
    from bench.processes import Server

_OPENED_AT_ONCE = 100


@dataclass(frozen=True)
class Storm:
    """What came of it: ``total`` and ``p99`` are seconds since the first node asked."""

    opened: int
    statuses: dict[str, int]
    builds: int
    total: float
    p99: float


def storm(server: Server, connections: int, kernels: int, first: int = 1) -> Storm:
    """Let so many nodes ask a bot at once, for kernels that are numbered from ``first``.

    Raises:
        MeasurementFailed: they could not even ask.

    """
    words = (server.url, str(connections), str(kernels), str(first))
    command = [sys.executable, "-m", "bench.storm", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise MeasurementFailed(f"the storm broke off: {done.stderr}")
    return Storm(**json.loads(done.stdout))


def body(kernel: int | str) -> bytes:
    """Return what a node sends whose kernel has this number, which may have four digits."""
    wanted = {
        "kernel_version": f"6.1.{kernel}-1-amd64",
        "architecture": "x86_64",
        "distribution": "debian",
        "distro_version": "12",
        "driver_version": "v0.1.0",
    }
    return json.dumps(wanted).encode()


class _Node(asyncio.Protocol):
    """One connection. ``answer`` is set to the whole answer, or to what came before its end."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.answered_at = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if found and len(rest) >= int(length):
            self._end()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()

    def ask(self, request: bytes) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.write(request)

    def _end(self) -> None:
        if not self.answer.done():
            self.answered_at = time.perf_counter()
            self.answer.set_result(self._received)


async def _run(url: str, connections: int, kernels: int, first: int) -> Storm:
    port = urlsplit(url).port or 80
    loop, nodes = asyncio.get_running_loop(), list[_Node]()
    while len(nodes) < connections:
        some = min(_OPENED_AT_ONCE, connections - len(nodes))
        opened = (loop.create_connection(_Node, "127.0.0.1", port) for _ in range(some))
        nodes += [node for _, node in await asyncio.gather(*opened)]
    requests = [_request(body(first + number)) for number in range(kernels)]
    gc.disable()
    # Not a single connection is used before all of them are open.
    lost = sum(node.answer.done() for node in nodes)
    started = time.perf_counter()
    for number, node in enumerate(nodes):
        node.ask(requests[number % kernels])
    answers = await asyncio.gather(*(node.answer for node in nodes))
    waits = sorted(node.answered_at - started for node in nodes)
    builds = {answer.partition(b'"build_id": "')[2][:32] for answer in answers} - {b""}
    return Storm(
        opened=connections - lost,
        statuses=dict(Counter(answer[9:12].decode() or "none" for answer in answers)),
        builds=len(builds),
        total=waits[-1],
        p99=waits[int(len(waits) * 0.99) - 1],
    )


def _request(content: bytes) -> bytes:
    head = (
        "POST /build HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


if __name__ == "__main__":
    allow_many_files()
    address, *numbers = sys.argv[1:]
    most, different, start = map(int, numbers)
    print(json.dumps(asdict(asyncio.run(_run(address, most, different, start)))))
