"""The ``kmodbot`` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Command:
    """A subcommand: its words, one line of help, and the module with ``add_arguments``, ``run``."""

    words: tuple[str, ...]
    help: str
    module: str


COMMANDS = (
    Command(("init",), "set a driver's repository up", "kmodbot.repository.command"),
    Command(("serve",), "run the bot", "kmodbot.bot.__main__"),
    Command(
        ("migrate",), "bring the schema of the database up to date", "kmodbot.bot.commands.migrate"
    ),
    Command(
        ("deliveries",), "list and retry webhook deliveries", "kmodbot.bot.commands.deliveries"
    ),
    Command(("token",), "make an API token", "kmodbot.bot.commands.token"),
    Command(("matrix",), "say what is left to build", "kmodbot.discovery.commands.matrix"),
    Command(
        ("discover", "al2023"),
        "the kernels of Amazon Linux 2023, by its own repositories",
        "kmodbot.discovery.commands.al2023",
    ),
    Command(
        ("discover", "crawler"),
        "the kernels of a kernel-crawler list",
        "kmodbot.discovery.commands.crawler",
    ),
    Command(("sandbox",), "run a GitHub on localhost", "kmodbot.sandbox.__main__"),
)
_GROUPS = {"discover": "find out which kernels exist"}


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; return the exit status, 0 only when it did what was asked."""
    words = sys.argv[1:] if argv is None else argv
    try:
        arguments = _parser(words).parse_args(words)
    except ModuleNotFoundError as error:
        print(f"kmodbot: {error.name} is missing: pip install 'kmodbot[sandbox]'", file=sys.stderr)
        return 2
    status: int = arguments.run(arguments)
    return status


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """Return the parser; only the command that is called is imported, so that all start fast."""
    parser = argparse.ArgumentParser(
        prog="kmodbot",
        description="Builds kernel drivers for the kernels a fleet really boots.",
    )
    parser.add_argument("--version", action="version", version=version("kmodbot"))
    top = parser.add_subparsers(required=True, metavar="COMMAND")
    groups = {
        name: top.add_parser(name, help=text, description=text).add_subparsers(
            required=True, metavar="WHAT"
        )
        for name, text in _GROUPS.items()
    }
    for command in COMMANDS:
        *group, name = command.words
        place = groups[group[0]] if group else top
        subparser = place.add_parser(name, help=command.help)
        if tuple(words[: len(command.words)]) == command.words:
            _fill(subparser, command)
    return parser


def _fill(parser: argparse.ArgumentParser, command: Command) -> None:
    module = importlib.import_module(command.module)
    # On a terminal the marks of a docstring are noise.
    parser.description = (module.__doc__ or "").replace("`", "")
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)


if __name__ == "__main__":
    sys.exit(main())
