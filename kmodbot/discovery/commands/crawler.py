"""``kmodbot discover crawler``: what the entries of a kernel-crawler list are."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..crawler import BadListError, UnreachableError, read_findings
from ..crawler.counts import Counts
from ..crawler.output import whole_output

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

_EXIT_FAILED, _EXIT_BAD_INPUT = 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("list", metavar="FILE|URL", help="list.json of kernel-crawler")
    parser.add_argument(
        "--arch",
        choices=("x86_64", "aarch64"),
        help="architecture of the list, where entries and path do not tell",
    )
    parser.add_argument(
        "--json", action="store_true", help="print a JSON array, one line for each entry"
    )
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="FILE", help="write the JSON array to FILE"
    )


def run(arguments: argparse.Namespace) -> int:
    """Read the list and say what it holds; 2 when it is not what it should be."""
    try:
        counts = _read(arguments)
    except BadListError as error:
        print(f"kmodbot discover crawler: {error}", file=sys.stderr)  # noqa: T201  # the answer
        return _EXIT_BAD_INPUT
    except UnreachableError as error:
        print(f"kmodbot discover crawler: {error}", file=sys.stderr)  # noqa: T201  # the answer
        return _EXIT_FAILED
    # The counts make way for JSON.
    stream = sys.stderr if arguments.json else sys.stdout
    stream.writelines(f"{line}\n" for line in counts.lines())
    return 0


def _read(arguments: argparse.Namespace) -> Counts:
    counts = Counts()
    with ExitStack() as stack:
        writers = []
        if arguments.json:
            writers.append(_Array(stack.enter_context(whole_output(None))))
        if arguments.output:
            writers.append(_Array(stack.enter_context(whole_output(arguments.output))))
        for entry, finding in read_findings(arguments.list, arguments.arch):
            counts.add(entry, finding)
            for writer in writers:
                writer.add(finding.document(entry))
        for writer in writers:
            writer.close()
    return counts


class _Array:
    """A JSON array with one element on each line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begin = "["

    def add(self, element: object) -> None:
        self._stream.write(f"{self._begin}\n{json.dumps(element)}")
        self._begin = ","

    def close(self) -> None:
        self._stream.write("[]\n" if self._begin == "[" else "\n]\n")
