"""The ``kmodbot`` command."""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; return the exit status, 0 only when it did what was asked."""
    arguments = _parser().parse_args(argv)
    status: int = arguments.run(arguments)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kmodbot",
        description="Builds kernel drivers for the kernels a fleet really boots.",
    )
    parser.add_argument("--version", action="version", version=version("kmodbot"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_sandbox(commands)
    return parser


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="run the bot",
        description="Run the bot. It is configured by environment variables, which "
        "docs/configuration.md lists; those that are missing are named at the start.",
    )
    parser.set_defaults(run=_serve)


def _serve(_arguments: argparse.Namespace) -> int:
    from kmodbot.bot.__main__ import serve

    return serve()


def _add_sandbox(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    try:
        from kmodbot.sandbox.__main__ import add_arguments, run
    except ModuleNotFoundError as error:
        missing = error.name
        parser = commands.add_parser("sandbox", help="run a GitHub on localhost (not installed)")
        parser.set_defaults(run=lambda _: _not_installed(missing))
        return
    parser = commands.add_parser(
        "sandbox",
        help="run a GitHub on localhost",
        description="Run a GitHub on localhost, with the App installed on a driver repository.",
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def _not_installed(missing: str | None) -> int:
    print(f"kmodbot: {missing} is missing: pip install 'kmodbot[sandbox]'", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
