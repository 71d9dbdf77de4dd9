"""Load by wrk: so many connections, each of which sends the next request after the last answer.

https://github.com/wg/wrk
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.processes import MeasurementFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.processes import Server

_SCRIPT = Path(__file__).parent / "load.lua"
_TROUBLE = re.compile(r"^\s*(Non-2xx.*|Socket errors:.*)$", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s*([0-9.]+)$", re.MULTILINE)
_DONE = re.compile(r"^\s*([0-9]+) requests in", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """What is sent: ``@@`` in a header stands for a word that never comes again."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What wrk counted."""

    requests: int
    per_second: float


def require_wrk() -> None:
    """Raise MeasurementFailed when wrk is missing."""
    if shutil.which("wrk") is None:
        raise MeasurementFailed("wrk is missing: apt-get install wrk")


def put(load: Load, server: Server, connections: int, seconds: int) -> Result:
    """Load a server from one thread.

    Raises:
        MeasurementFailed: an answer was an error, or there was none.

    """
    headers = {"Content-Type": "application/json", **load.headers}
    with tempfile.NamedTemporaryFile() as body:
        body.write(load.body)
        body.flush()
        command = ["wrk", "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{seconds}s", "--timeout", "20s", "--script", str(_SCRIPT)]
        command += [server.url, "--", load.path, body.name]
        command += [f"{name}: {value}" for name, value in headers.items()]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, done = _RATE.search(said), _DONE.search(said)
    if (trouble := _TROUBLE.search(said)) or rate is None or done is None:
        what = trouble[1] if trouble else said
        raise MeasurementFailed(f"{load.path} of {server.url} under load: {what}")
    return Result(int(done[1]), float(rate[1]))
