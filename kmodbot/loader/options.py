"""What the loader is told: command line first, environment second."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kmodbot.kernels import Driver, parse_repository

from .failures import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DESCRIPTION = """\
Gets the driver package built for exactly this node's kernel: from the driver's releases when it
is there, else by asking the bot to have it built and waiting for it. The package is verified
against its SHA-256 and unpacked, and the module is checked against the kernel release.
Nothing is loaded."""

_LONGEST_TIMEOUT = 86_400
_STATUSES = """\
exit status:
  0  the module is there, verified
  1  this machine failed (a full disk, missing rights)
  2  wrong option, or a kernel or driver that is not supported
  3  the build failed
  4  the build did not finish in time
  5  the package or the module is not what it should be
  6  a server could not be reached

Each option marked [NAME] can be given as environment variable NAME instead. The bot's token is
only taken from the variable KMODBOT_TOKEN."""


@dataclass(frozen=True)
class Options:
    """Everything a run depends on, checked as far as it can be without looking at the node."""

    bot_url: str
    server_url: str
    api_url: str
    repository: str
    driver: Driver
    token: str | None = field(repr=False)
    root: Path
    state_dir: str
    kernel_release: str
    architecture: str
    timeout: float
    allow_unverified: bool
    as_json: bool


def parse_options(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Options:
    """Return the options; exits with status 2 on unknown ones.

    Raises ``InvalidInput`` or ``Refused`` for values that are missing or wrong.
    """
    given = _parser(environment).parse_args(arguments)
    for name, option in _REQUIRED.items():
        if not getattr(given, option):
            raise Refused(f"--{option.replace('_', '-')} is missing; give it or set {name}")
    return Options(
        bot_url=_address("--bot-url", given.bot_url),
        server_url=_address("--server-url", given.server_url),
        api_url=_address("--api-url", given.api_url),
        repository=parse_repository(given.repository),
        driver=Driver.parse(given.driver, given.driver_version),
        token=environment.get("KMODBOT_TOKEN") or None,
        root=Path(given.root),
        state_dir=given.state_dir,
        kernel_release=given.kernel_release,
        architecture=given.architecture,
        timeout=given.timeout,
        allow_unverified=given.allow_unverified,
        as_json=given.json,
    )


_REQUIRED = {
    "KMODBOT_URL": "bot_url",
    "KMODBOT_REPOSITORY": "repository",
    "KMODBOT_DRIVER": "driver",
    "KMODBOT_DRIVER_VERSION": "driver_version",
}


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="driver-loader.pyz",
        description=_DESCRIPTION,
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    def add(option: str, variable: str, metavar: str, text: str, default: str = "") -> None:
        value = environment.get(variable) or default
        parser.add_argument(option, metavar=metavar, default=value, help=f"{text} [{variable}]")

    github, api = "https://github.com", "https://api.github.com"
    add("--bot-url", "KMODBOT_URL", "URL", "the bot that has drivers built")
    add("--repository", "KMODBOT_REPOSITORY", "OWNER/NAME", "the driver's repository")
    add("--driver", "KMODBOT_DRIVER", "NAME", "the driver, e.g. hello")
    add("--driver-version", "KMODBOT_DRIVER_VERSION", "VERSION", "its version, e.g. v0.1.0")
    add(
        "--server-url", "GITHUB_SERVER_URL", "URL", f"where releases are (default {github})", github
    )
    add("--api-url", "GITHUB_API_URL", "URL", f"GitHub's REST API (default {api})", api)
    _add_node_options(parser)
    return parser


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    machine = os.uname()
    state = "var/lib/kmodbot"
    add = parser.add_argument
    add("--root", metavar="DIR", default="/", help="the node's root directory (default /)")
    add(
        "--state-dir",
        metavar="DIR",
        default=state,
        help=f"where packages are kept, below the root (default {state})",
    )
    add(
        "--kernel-release",
        metavar="RELEASE",
        default=machine.release,
        help="the kernel to get a driver for (default: the running one, %(default)s)",
    )
    add(
        "--architecture",
        metavar="ARCH",
        default=machine.machine,
        help="x86_64 or aarch64 (default: this machine's, %(default)s)",
    )
    add(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=900.0,
        help="give up after so long (default 900)",
    )
    add(
        "--allow-unverified",
        action="store_true",
        help="take a package even when nobody can tell its SHA-256",
    )
    add("--json", action="store_true", help="print one JSON object as the result")


def _address(option: str, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused(f"{option}: expected an address such as https://example.com, got {value!a}")
    return value.rstrip("/")


def _seconds(value: str) -> float:
    expected = f"expected a number of seconds above 0 and up to {_LONGEST_TIMEOUT}"
    try:
        seconds = float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{expected}, got {value!a}") from None
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise argparse.ArgumentTypeError(f"{expected}, got {value!a}")
    return seconds
