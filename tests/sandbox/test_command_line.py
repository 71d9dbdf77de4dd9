"""`kmodbot sandbox` says where everything is, and keeps secrets to a file."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kmodbot.sandbox.__main__ import main, write_environment

from .support import CONTENT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    for path, data in CONTENT.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


async def curl(command: str) -> dict[str, object]:
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", command, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    document: dict[str, object] = json.loads(output)
    return document


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_it_is_told_to_stop(
    tmp_path: Path, content: Path, unused_tcp_port: int, number: signal.Signals
) -> None:
    env_file = tmp_path / "sandbox.env"
    command = ("--content", content, "--port", unused_tcp_port, "--env-file", env_file)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "kmodbot.sandbox", *map(str, command), "--directory", str(tmp_path / "kept")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    shown = b""
    while b"  merge " not in shown:
        shown += await process.stdout.readline()
    lines = shown.decode().splitlines()
    merge = next(line for line in lines if "merge" in line).split(maxsplit=1)[1]
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    answer = await curl(f". {shlex.quote(str(env_file))}; {merge.replace('curl', 'curl -s')}")
    assert answer["message"] == "Not Found"
    process.send_signal(number)
    rest, errors = await process.communicate()
    assert process.returncode == 0
    assert b"PUT /repos/acme/hello-driver/pulls/1/merge -> 404 (maintainer)" in errors
    assert b"Traceback" not in errors
    for line in env_file.read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if name in ("MAINTAINER_TOKEN", "GITHUB_WEBHOOK_SECRET"):
            assert value.encode() not in shown + rest + errors
    assert (tmp_path / "kept" / "git" / "acme" / "hello-driver.git" / "HEAD").exists()


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
        (["--content", "/nowhere"], "--content: /nowhere is not a directory"),
        (["--repository", "hello"], "--repository: expected OWNER/NAME, got 'hello'"),
    ],
)
def test_bad_options_are_named(
    content: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert main(["--content", str(content), *options]) == 2
    assert says in capsys.readouterr().err


def test_a_directory_in_use_is_refused(content: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--content", str(content), "--directory", str(content)]) == 2
    assert "is not empty" in capsys.readouterr().err
