"""``kmodbot token NAME``: make an API token.

The token is shown once and stored nowhere. The entry for KMODBOT_API_TOKENS holds its SHA-256
only, so whoever reads the configuration cannot use it.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from kmodbot.bot.auth.caller import Role
from kmodbot.bot.auth.tokens import ApiToken, new_token

if TYPE_CHECKING:
    import argparse

_BAD_INPUT = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("name", metavar="NAME", help="whose token it is, such as fleet-eu")
    parser.add_argument(
        "--role",
        choices=list(Role),
        default=Role.NODE,
        type=Role,
        help="node asks for drivers; operator may also force builds and read the audit log",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Make a token and print it with its entry; 2 when the name cannot be one."""
    token = new_token()
    try:
        entry = str(ApiToken.of(token, arguments.name, arguments.role))
    except ValueError as error:
        sys.stderr.write(f"kmodbot token: NAME: {error}\n")
        return _BAD_INPUT
    if arguments.json:
        sys.stdout.write(json.dumps({"token": token, "entry": entry}) + "\n")
        return 0
    sys.stdout.write(
        f"token: {token}\n"
        f"entry: {entry}\n\n"
        "Give the token to its caller (a node reads KMODBOT_TOKEN); it is not shown again.\n"
        "Add the entry to KMODBOT_API_TOKENS of the bot, after a comma, and start the bot anew.\n"
    )
    return 0
