"""``kmodbot deliveries``: webhook deliveries in the store, and another try for the dead ones.

A delivery is dead when working on it went wrong too often. What it was about is repaired by the
reconciler where that is possible; a retry does its work once more.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kmodbot.bot.commands.with_store import with_store
from kmodbot.bot.store.deliveries import Deliveries, DeliveryState

if TYPE_CHECKING:
    from kmodbot.bot.store.database import Database
    from kmodbot.bot.store.deliveries import DeliveryRecord

_NOT_FOUND = 1
_NAMES = ("guid", "event", "state", "attempts", "received_at", "next_try_at", "error")
_COLUMNS = "{guid:36}  {event:12}  {state:10}  {attempts:>8}  {received_at:25}  {error}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="WHAT")
    listing = actions.add_parser("list", help="the newest deliveries")
    listing.add_argument(
        "--state", choices=[state.value for state in DeliveryState], help="only those of one state"
    )
    listing.add_argument("--limit", type=_count, default=50, help="how many at most (50)")
    listing.add_argument("--json", action="store_true", help="print one JSON list")
    retrying = actions.add_parser("retry", help="take dead deliveries up again")
    which = retrying.add_mutually_exclusive_group(required=True)
    which.add_argument("guid", nargs="?", metavar="GUID", help="the id that GitHub gave it")
    which.add_argument("--all", action="store_true", help="all that are dead")


def run(arguments: argparse.Namespace) -> int:
    """List or retry; return the exit status."""
    if arguments.action == "retry":
        return with_store(lambda database: _retry(database, arguments.guid), must_exist=True)
    return with_store(lambda database: _list(database, arguments), must_exist=True)


async def _list(database: Database, arguments: argparse.Namespace) -> int:
    await database.prepare()
    state = DeliveryState(arguments.state) if arguments.state else None
    found = [_described(each) for each in await Deliveries(database).list(state, arguments.limit)]
    if arguments.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0
    if not found:
        kind = f" is {state.value}" if state else " is stored"
        sys.stdout.write(f"no delivery{kind}\n")
        return 0
    for row in ({name: name.replace("_", " ") for name in _NAMES}, *found):
        cells = {name: _on_one_line(value) for name, value in row.items()}
        sys.stdout.write(_COLUMNS.format(**cells).rstrip() + "\n")
    return 0


async def _retry(database: Database, guid: str | None) -> int:
    await database.prepare()
    deliveries = Deliveries(database)
    taken_up = await deliveries.retry(guid, await deliveries.now())
    for each in taken_up:
        sys.stdout.write(f"{each} is tried again by a bot that runs, within a minute\n")
    if guid is not None and not taken_up:
        sys.stderr.write(f"kmodbot: GUID: no dead delivery has the id {guid!a}\n")
        return _NOT_FOUND
    if not taken_up:
        sys.stdout.write("no delivery is dead\n")
    return 0


def _described(record: DeliveryRecord) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in _NAMES}
    return {
        name: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _on_one_line(value: object) -> str:
    # An error may hold what somebody else wrote.
    return "" if value is None else ascii(str(value))[1:-1]


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 10_000):
        raise argparse.ArgumentTypeError("expected a number from 1 to 10000")
    return int(value)
