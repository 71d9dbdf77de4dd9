"""`kmodbot sandbox` says where everything is, and keeps secrets to a file."""

from __future__ import annotations

import asyncio
import shlex
import signal
import socket
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from kmodbot.sandbox.__main__ import main, write_environment

from .support import CONTENT

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    for path, data in CONTENT.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


@asynccontextmanager
async def started(*options: object) -> AsyncIterator[Process]:
    """Run the sandbox in a process of its own, which ends with the test at the latest."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kmodbot.sandbox", *map(str, options)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def printed_until(process: Process, mark: str) -> str:
    """Return what a process prints up to the end of the line with `mark`."""
    assert process.stdout is not None
    text = await process.stdout.readuntil(mark.encode()) + await process.stdout.readline()
    return text.decode()


def arguments_of(command: str, env_file: Path) -> list[str]:
    """Return what `curl` would be called with by a shell that has read the variables.

    Any other command is carried out and its output returned.
    """
    script = f"curl() {{ printf '%s\\n' \"$@\"; }}; . {shlex.quote(str(env_file))}; {command}"
    return subprocess.check_output(["sh", "-c", script], text=True).splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_it_is_told_to_stop(
    tmp_path: Path, content: Path, unused_tcp_port: int, number: signal.Signals
) -> None:
    env_file, kept = tmp_path / "sandbox.env", tmp_path / "kept"
    options = ("--content", content, "--port", unused_tcp_port, "--directory", kept)
    async with started(*options, "--env-file", env_file) as process:
        shown = await printed_until(process, "  merge ")
        assert f". {env_file}" in await printed_until(process, "$MAINTAINER_TOKEN")
        see = shown.rpartition("  see it ")[2].partition("\n")[0]
        page = f"http://127.0.0.1:{unused_tcp_port}/acme/hello-driver/pull/1"
        assert arguments_of(see, env_file) == [page]
        look = shown.rpartition("  or ")[2].partition("\n")[0]
        assert arguments_of(look, env_file) == []
        assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
        curl = shown.rpartition("  merge ")[2].strip()
        _, method, _, header, url = arguments_of(curl, env_file)
        headers = dict([header.split(": ", 1)])
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url) as response,
        ):
            assert (await response.json())["message"] == "Not Found"
        process.send_signal(number)
        rest, errors = [output.decode() for output in await process.communicate()]
    assert process.returncode == 0
    assert "PUT /repos/acme/hello-driver/pulls/1/merge -> 404 (maintainer)" in errors
    assert "Traceback" not in errors
    assert (kept / "git" / "acme" / "hello-driver.git" / "HEAD").exists()
    for line in env_file.read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if name in ("MAINTAINER_TOKEN", "GITHUB_WEBHOOK_SECRET"):
            assert value not in shown + rest + errors


def test_values_survive_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "env"
    value = '-----BEGIN\nit\'s $HOME `x` "y"\n-----END\n'
    write_environment(path, {"NAME": value})
    script = f". {shlex.quote(str(path))}; printenv NAME"
    assert subprocess.check_output(["sh", "-c", script], text=True) == f"{value}\n"


def test_an_environment_file_that_was_readable_no_longer_is(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("old")
    path.chmod(0o644)
    write_environment(path, {"NAME": "new"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--content", "/nowhere"], "--content: /nowhere is not a directory; `python -m demo"),
        (["--content", "{empty}"], "has no workflow in .github/workflows that could run; `pyth"),
        (["--repository", "hello"], "--repository: expected owner/name"),
        (["--tag", "v1", "--tag", "a b"], "--tag: 'a b' is no tag; name one like v0.1.0"),
        (["--webhook-url", "foo"], "--webhook-url: expected an address such as http://"),
        (["--webhook-url", "http://x:y/"], "--webhook-url: expected an address such as http://"),
        (["--env-file", "/no/where/x"], "--env-file: there is no directory /no/where; make it"),
        (["--env-file", "{empty}"], "is a directory; name a file in it"),
        (["--directory", "{content}"], "is not empty; name a new directory"),
        (["--directory", "/dev/null/x"], "--directory: /dev/null/x cannot be used (Not a direct"),
        (["--port", "65536"], "--port: expected a number up to 65535, got 65536"),
        (["--host", "192.0.2.1"], "--port: cannot listen on port {port} of --host 192.0.2.1"),
    ],
)
def test_bad_options_are_named(
    tmp_path: Path,
    content: Path,
    unused_tcp_port: int,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    says: str,
) -> None:
    places = {"empty": tmp_path / "empty", "content": content, "port": unused_tcp_port}
    (tmp_path / "empty").mkdir()
    good = ["--content", str(content), "--port", str(unused_tcp_port)]
    assert main([*good, *(option.format(**places) for option in options)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kmodbot sandbox: --")
    assert says.format(**places) in line


def test_a_port_in_use_is_refused(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["--content", str(content), "--port", str(port)]) == 2
    says = f"kmodbot sandbox: --port: {port} is taken; give another one, such as --port {port + 1}"
    assert capsys.readouterr().err == f"{says}\n"
