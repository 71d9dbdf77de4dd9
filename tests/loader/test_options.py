"""What the loader is told, and how it speaks."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kmodbot.kernels import InvalidInput
from kmodbot.loader.failures import Refused, printable
from kmodbot.loader.options import parse_options
from kmodbot.loader.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "KMODBOT_URL": "https://bot.acme.example/",
    "KMODBOT_REPOSITORY": "acme/hello-driver",
    "KMODBOT_DRIVER": "hello",
    "KMODBOT_DRIVER_VERSION": "v0.1.0",
    "KMODBOT_TOKEN": "s3cret",
}


GITHUB = {
    "GITHUB_SERVER_URL": "https://github.acme.example/",
    "GITHUB_API_URL": "https://github.acme.example/api/v3",
}


def test_the_environment_is_enough() -> None:
    options = parse_options([], ENVIRONMENT)
    assert options.bot_url == "https://bot.acme.example"
    assert options.server_url == "https://github.com"
    assert options.api_url == "https://api.github.com"
    assert options.driver.name == "hello"
    assert options.kernel_release == os.uname().release
    assert options.timeout == 900


def test_another_github_is_taken_from_the_environment() -> None:
    options = parse_options([], ENVIRONMENT | GITHUB)
    assert options.server_url == "https://github.acme.example"
    assert options.api_url == "https://github.acme.example/api/v3"


def test_the_command_line_goes_before_the_environment() -> None:
    options = parse_options(["--driver-version", "v0.2.0", "--timeout", "5"], ENVIRONMENT)
    assert options.driver.version == "v0.2.0"
    assert options.timeout == 5


def test_the_token_is_not_in_the_representation() -> None:
    options = parse_options([], ENVIRONMENT)
    assert options.token == "s3cret"
    assert "s3cret" not in repr(options)


@pytest.mark.parametrize("name", [name for name in ENVIRONMENT if name != "KMODBOT_TOKEN"])
def test_a_missing_option_is_named(name: str) -> None:
    with pytest.raises(Refused, match=f"is missing; give it or set {name}$"):
        parse_options([], {**ENVIRONMENT, name: ""})


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--repository", "acme", "repository"),
        ("--driver", "../x", "driver"),
        ("--driver-version", "latest", "driver_version"),
    ],
)
def test_a_wrong_name_is_refused(option: str, value: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_options([option, value], ENVIRONMENT)
    assert refused.value.field == field


@pytest.mark.parametrize("value", ["file:///etc", "bot.acme.example", "https://", "http:///x"])
def test_a_wrong_address_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="--bot-url: expected an address such as"):
        parse_options(["--bot-url", value], ENVIRONMENT)


@pytest.mark.parametrize(
    "arguments", [["--timeout", "0"], ["--timeout", "x"], ["--timeout", "nan"], ["--load"]]
)
def test_a_wrong_option_ends_with_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments, ENVIRONMENT)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["abc", "0", "-1", "nan", "1e9"])
def test_a_timeout_that_is_no_number_of_seconds_is_named(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_options([f"--timeout={value}"], ENVIRONMENT)
    expected = f"--timeout: expected a number of seconds above 0 and up to 86400, got {value!r}"
    assert expected in capsys.readouterr().err


def test_help_tells_every_variable_and_exit_status(zipapp: Path) -> None:
    command = [sys.executable, str(zipapp), "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for word in [*ENVIRONMENT, *GITHUB, *(f"\n  {status}  " for status in range(7))]:
        assert word in text


def test_words_of_a_server_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2J\n b\u202e") == "a?[2J b?"
    assert len(printable("x" * 10_000)) == 500


def test_a_terminal_shows_that_time_goes_by() -> None:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal, os.fdopen(leader, "rb", 0) as screen:
        progress = Progress(terminal)
        with progress.waiting("build b1: building"):
            shown = b""
            while b"building ..." not in shown:
                shown += screen.read(100)
        progress.say("done")
        assert b"\r\x1b[K[   0." in shown
        while b"] done" not in shown:
            shown += screen.read(100)


def test_a_pipe_gets_plain_lines_only(capfd: pytest.CaptureFixture[str]) -> None:
    progress = Progress(sys.stderr)
    with progress.waiting("waiting"), progress.phase("find"):
        progress.say("looking")
    assert capfd.readouterr().err == "[   0.0s] looking\n"
    assert list(progress.seconds) == ["find"]
