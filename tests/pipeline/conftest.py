"""What the builder's tests share."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import Kernel
from kmodbot.pipeline.inputs import Request
from kmodbot.pipeline.phases import Log

from .releases import Releases

if TYPE_CHECKING:
    from collections.abc import Iterator

HELLO = Path(__file__).parents[2] / "examples" / "hello"


def kernel(release: str = "6.1.0-38-amd64", architecture: str = "x86_64") -> Kernel:
    """Return a Debian 12 kernel."""
    return Kernel.parse(
        distribution="debian", distro_version="12", architecture=architecture, release=release
    )


def build_request(release: str = "6.1.0-38-amd64") -> Request:
    """Return the request for hello v0.1.0 on a Debian 12 kernel."""
    return Request(kernel(release), "v0.1.0", "manual")


def written(log: Log) -> str:
    """Return everything `log` has written."""
    assert isinstance(log.stream, io.StringIO)
    return log.stream.getvalue()


@pytest.fixture
def log() -> Log:
    return Log(stream=io.StringIO())


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that is the whole PATH of the test."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    # Programs beside the Python of the virtual environment would be found too.
    monkeypatch.setattr("sys.executable", str(directory / "python3"))
    return directory


def put_program(directory: Path, name: str, prints: str = "") -> None:
    """Put a program into `directory` that prints one line."""
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{prints}'\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def releases() -> Iterator[Releases]:
    """Run a GitHub that has nothing but releases."""
    with Releases() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
