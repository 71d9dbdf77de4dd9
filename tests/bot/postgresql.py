"""A PostgreSQL server of Debian's packages, started by the tests and gone with them."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kmodbot.bot.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PASSWORD = "open-sesame"
_SETTINGS = {"listen_addresses": "127.0.0.1", "max_connections": "200"}
# What a power cut would take is of no use after the tests.
_FORGETFUL = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Server:
    """A server that runs, as the tests and its owner speak to it."""

    directory: Path
    programs: Path
    port: int
    settings: Mapping[str, str]

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template0") -> str:
        """Make a database, as a copy of another one; return its name."""
        name = f"test_{uuid.uuid4().hex}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is still connected."""
        self.sql(f"DROP DATABASE {database} WITH (FORCE)")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Carry a statement out as the owner of the server."""
        answer = subprocess.run(
            ["psql", "--no-psqlrc", "-XAtq", "-d", self.url(database), "-c", statement],
            check=True,
            capture_output=True,
            text=True,
        )
        return answer.stdout.strip()

    def control(self, *arguments: str) -> None:
        """Start or stop the server."""
        _run_as_owner(
            [str(self.programs / "pg_ctl"), "-w", "-D", str(self.directory / "data"), *arguments]
        )

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = {
            **self.settings,
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
        }
        words = " ".join(f"-c {name}={value}" for name, value in options.items())
        self.control("-o", words, "-l", str(self.directory / "log"), "start")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let every process of the server stand still: it is reached, but says nothing."""
        postmaster = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        # The postmaster first, so that it starts no more.
        os.kill(postmaster, signal.SIGSTOP)
        backends = [int(pid) for pid in _children(postmaster)]
        try:
            for pid in backends:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in (*backends, postmaster):
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop the server without asking those who are connected."""
        self.control("-m", "immediate", "stop")


class NotInstalled(Exception):
    """PostgreSQL's server is missing."""


@contextmanager
def running(*, durable: bool) -> Iterator[Server]:
    """Run a server until the block ends; a ``durable`` one waits for the disk, as usual.

    Raises:
        NotInstalled: there is none on this machine.

    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise NotInstalled("PostgreSQL's server is missing: apt-get install postgresql")
    directory = Path(tempfile.mkdtemp(prefix="kmodbot-postgresql-"))
    settings = _SETTINGS if durable else _SETTINGS | _FORGETFUL
    server = Server(directory, found[-1].parent, _free_port(), settings)
    try:
        _initialise(server)
        server.start()
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """Return a server that runs as long as the tests do."""
    with running(durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgresql: Server) -> str:
    """Return the name of a database with the newest schema, to make copies of."""
    name = postgresql.create()

    async def migrate() -> None:
        database = Database(postgresql.url(name))
        await database.migrate()
        await database.close()

    # A loop of its own, beside the one of the tests.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, migrate()).result()
    return name


def _initialise(server: Server) -> None:
    if os.geteuid() == 0:
        shutil.chown(server.directory, "postgres")
    password = server.directory / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    _run_as_owner(
        [
            *(str(server.programs / "initdb"), "-D", str(server.directory / "data"), "--no-sync"),
            *("--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C.UTF-8"),
        ]
    )


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _run_as_owner(command: list[str]) -> None:
    """Run a program of the server, which refuses to run as root."""
    as_owner: dict[str, Any] = {}
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        as_owner = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    # Nothing may be inherited that would keep the pipes of the tests open.
    subprocess.run(
        command,
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        **as_owner,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
