"""What the tests of the loader share: the zipapp, packages, servers, a node."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .packages import RELEASE, compile_module, make_package
from .servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
NAME = f"hello-debian-{RELEASE}_v0.1.0_amd64.deb"
TAG = "v0.1.0-debian-12-x86_64"
DOWNLOAD = f"/acme/hello-driver/releases/download/{TAG}/{NAME}"
STATUS = "/status/b1b1b1b1"


@pytest.fixture(scope="session")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the driver-loader as nodes get it."""
    directory = tmp_path_factory.mktemp("dist")
    script = [sys.executable, str(PROJECT / "scripts/zipapp.py"), "driver-loader"]
    subprocess.run([*script, "--output", str(directory)], check=True, capture_output=True)
    return directory / "driver-loader.pyz"


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make a module for Debian's kernel."""
    return compile_module(tmp_path_factory.mktemp("module"))


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory, module: bytes) -> bytes:
    """Pack the module."""
    return make_package(tmp_path_factory.mktemp("package"), module)


@pytest.fixture
def github() -> Iterator[Server]:
    """Start what the packages are downloaded from, empty at first."""
    with Server() as server:
        yield server


@pytest.fixture
def bot() -> Iterator[Server]:
    """Start a bot that knows nothing at first."""
    with Server() as server:
        yield server


@dataclass
class Node:
    """A machine with a root directory, and the loader that is run on it."""

    root: Path
    zipapp: Path
    github: Server
    bot: Server
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """Everything that came into the root directory beside os-release."""
        found = sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))
        return [path for path in found if path not in {"etc", "etc/os-release"}]

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start the loader on Debian's kernel."""
        command = [sys.executable, "-W", "error", "-X", "dev", str(self.zipapp)]
        fixed = ["--root", str(self.root), "--kernel-release", RELEASE, "--architecture", "x86_64"]
        environment = {
            "PATH": os.environ["PATH"],
            "KMODBOT_URL": self.bot.url,
            "KMODBOT_REPOSITORY": "acme/hello-driver",
            "KMODBOT_DRIVER": "hello",
            "KMODBOT_DRIVER_VERSION": "v0.1.0",
            "GITHUB_SERVER_URL": self.github.url,
            **self.environment,
        }
        return subprocess.Popen(
            [*command, *fixed, "--api-url", f"{self.github.url}/api/v3", *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def load(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the loader to its end."""
        with self.start("--timeout", "60", *options) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def node(tmp_path: Path, zipapp: Path, github: Server, bot: Server) -> Node:
    """Set up a Debian 12 node."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
    return Node(root, zipapp, github, bot)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def known(github: Server, content: bytes, **changes: str) -> dict[str, Any]:
    """Return the part of the bot's answers that names a package."""
    found = {"package": NAME, "url": f"{github.url}{DOWNLOAD}", "sha256": sha256(content)}
    return {"status": "done", **found, **changes}


def accepted() -> Reply:
    """Return the bot's answer to a request it starts a build for."""
    body = {"message": "workflow dispatched", "build_id": "b1b1b1b1", "status_url": STATUS}
    return Reply(202, body)


def in_progress(phase: str = "building") -> Reply:
    """Return the bot's answer while a build goes on."""
    return Reply(200, {"status": "in_progress", "phase": phase, "run_url": None, "error": None})
