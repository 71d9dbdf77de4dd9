"""`kmodbot sandbox`: a GitHub on localhost to try the bot against."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shlex
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.sandbox.checks import BadOption, check
from kmodbot.sandbox.server import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `kmodbot sandbox` to a parser."""
    add = parser.add_argument
    add("--content", type=Path, required=True, metavar="DIR", help="the driver's repository")
    add("--repository", default="acme/hello-driver", help="its name (default: %(default)s)")
    add("--tag", action="append", help="a tag of its first commit (default: v0.1.0)")
    add("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    add("--port", type=int, default=8081, help="where to listen (default: %(default)s)")
    add(
        "--directory",
        type=Path,
        metavar="DIR",
        help="where to keep everything; new or empty (default: a temporary one)",
    )
    add(
        "--webhook-url",
        default="http://127.0.0.1:8080/webhooks/github",
        metavar="URL",
        help="where the bot listens (default: %(default)s)",
    )
    add("--env-file", type=Path, metavar="PATH", help="write the bot's variables to this file")


def main(argv: list[str] | None = None) -> int:
    """Run a sandbox until it is interrupted."""
    parser = argparse.ArgumentParser(prog="kmodbot sandbox", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


def run(options: argparse.Namespace) -> int:
    """Run a sandbox with parsed options; return the exit status."""
    try:
        check(options)
    except BadOption as error:
        return _fail(str(error))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    with ExitStack() as stack:
        directory = options.directory
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kmodbot-")))
        try:
            asyncio.run(_serve(options, directory))
        except OSError as error:
            return _fail(str(error))
    return 0


async def _serve(options: argparse.Namespace, directory: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Sandbox(
        directory,
        repository=options.repository,
        content=options.content,
        tags=options.tag or ("v0.1.0",),
        webhook_url=options.webhook_url,
        host=options.host,
        port=options.port,
    ) as github:
        if options.env_file is not None:
            write_environment(options.env_file, variables(github))
        _say(introduction(github, options.env_file))
        await stop.wait()
        _say("stopping")


def variables(github: Sandbox) -> dict[str, str]:
    """Return what a person who tries the bot needs: its variables and a maintainer's token."""
    return github.environment() | {
        "GITHUB_SERVER_URL": github.server_url,
        "MAINTAINER_TOKEN": github.maintainer_token,
    }


def write_environment(path: Path, values: Mapping[str, str]) -> None:
    """Write variables so that a shell can source them, readable by their owner only."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def introduction(github: Sandbox, env_file: Path | None) -> str:
    """Return where everything is, without any secret."""
    bare = shlex.quote(str(github.repository_path.absolute()))
    page = f"{github.server_url}/{github.repository}/pull/1"
    lines = [
        f"GitHub on localhost, with an App on {github.repository}",
        f"  API      {github.api_url}",
        f"  git      git clone {github.clone_url}",
        f"  files    {github.directory}",
        f"  webhooks {github.webhook_url}",
        "once the bot has opened pull request 1:",
        f"  see it   curl {page}",
        f"  or       git -C {bare} log -p --branches --not main",
    ]
    if env_file is None:
        lines.append("start again with --env-file PATH to get the variables of bot and maintainer")
        return "\n".join(lines)
    # A shell looks for a name without a directory on the PATH.
    source = f". {shlex.quote(str(env_file.absolute()))}"
    merge = f"{github.api_url}/repos/{github.repository}/pulls/1/merge"
    lines += [
        f'  merge    curl -X PUT -H "Authorization: Bearer $MAINTAINER_TOKEN" {merge}',
        f"in every other terminal first, for the bot and for $MAINTAINER_TOKEN: {source}",
    ]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, flush=True)


def _fail(message: str) -> int:
    print(f"kmodbot sandbox: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
