"""What can be wrong with the options of `kmodbot sandbox`, and what to do about it."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kmodbot.kernels import InvalidInput, parse_repository
from kmodbot.sandbox.git import TAGS, is_ref_name
from kmodbot.sandbox.workflows import FOLDER

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

PORTS = range(65536)


class BadOption(Exception):
    """An option that cannot be used; `str` names it and the remedy."""


def check(options: argparse.Namespace) -> None:
    """Raise BadOption for the first option that is wrong; make `--directory` if it is missing."""
    for option, problem in _problems(options):
        if problem:
            raise BadOption(f"--{option}: {problem}")


def _problems(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    yield "content", _content(options.content)
    yield "repository", _repository(options.repository)
    for tag in options.tag or ():
        yield "tag", "" if is_ref_name(TAGS + tag) else f"{tag!a} is no tag; name one like v0.1.0"
    yield "webhook-url", _webhook_url(options.webhook_url)
    if options.env_file is not None:
        yield "env-file", _env_file(options.env_file)
    yield "port", _port(options.host, options.port)
    if options.directory is not None:
        yield "directory", _directory(options.directory)


def _content(path: Path) -> str:
    remedy = "`python -m demo.content NEW_DIRECTORY` makes an example"
    if not path.is_dir():
        return f"{path} is not a directory; {remedy}"
    if not any(path.glob(f"{FOLDER}/*.y*ml")):
        return f"{path} has no workflow in {FOLDER} that could run; {remedy}"
    return ""


def _repository(value: str) -> str:
    try:
        parse_repository(value)
    except InvalidInput as error:
        return error.message
    return ""


def _webhook_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    example = "http://127.0.0.1:8080/webhooks/github"
    return "" if good else f"expected an address such as {example}, got {value!a}"


def _env_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a directory; name a file in it"
    if not path.parent.is_dir():
        return f"there is no directory {path.parent}; make it first"
    return ""


def _directory(path: Path) -> str:
    try:
        path.mkdir(parents=True, exist_ok=True)
        return f"{path} is not empty; name a new directory" if any(path.iterdir()) else ""
    except OSError as error:
        return f"{path} cannot be used ({error.strerror}); name a new directory"


def _port(host: str, port: int) -> str:
    if port not in PORTS:
        return f"expected a number up to {PORTS[-1]}, got {port}"
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"{port} is taken; give another one, such as --port {port + 1}"
        return f"cannot listen on port {port} of --host {host} ({error.strerror}); give others"
    return ""
