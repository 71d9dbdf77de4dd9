"""Servers in processes of their own, as they are measured."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ports import held_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
BOT = (sys.executable, "-m", "kmodbot.cli", "serve")
_SECONDS_TO_START = 60


class MeasurementFailed(Exception):
    """Something that is to be measured does not do what it should."""


@dataclass(frozen=True)
class Server:
    """A server that runs on localhost."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"

    def rss(self) -> float:
        """Return how much memory it holds, in MiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send one request; return the status and the body of the answer."""
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, all_headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    """Run a server that listens at ``PORT`` of its environment, until the block ends.

    Raises:
        MeasurementFailed: it ended, or does not listen.

    """
    with held_port() as port:
        process = subprocess.Popen(
            command, env={"PATH": os.environ["PATH"], **environment, "PORT": str(port)}, cwd=ROOT
        )
        try:
            server = Server(process.pid, port)
            _wait_for(server, process)
            yield server
        finally:
            # Nobody waits for what a server still has to do when its measurement is over.
            process.send_signal(signal.SIGKILL)
            process.wait()


def bot_environment(github: Mapping[str, str], database_url: str, **more: str) -> dict[str, str]:
    """Return the settings of a bot that keeps quiet."""
    quiet = {"KMODBOT_LOG_LEVEL": "error", "KMODBOT_DISCOVERY": "off"}
    return {**github, "KMODBOT_DRIVER": "hello", "DATABASE_URL": database_url, **quiet, **more}


def allow_many_files() -> int:
    """Let this process and its children open as many files as they may; return the number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until:
        if process.poll() is not None:
            raise MeasurementFailed(f"{process.args!r} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise MeasurementFailed(f"{process.args!r} does not listen")
