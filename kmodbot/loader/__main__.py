"""The command ``driver-loader.pyz``."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from kmodbot.kernels import InvalidInput

from .failures import Failure, Refused
from .options import parse_options
from .progress import Progress
from .report import failure_as_json
from .run import run

if TYPE_CHECKING:
    from collections.abc import Sequence

_STOPPED = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loader and return its exit status, 0 only when the module is there and verified."""
    # As an exception, so that an unfinished download is cleaned up.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(_STOPPED + number))
    progress = Progress(sys.stderr)
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        options = parse_options(arguments, os.environ)
        report = run(options, progress)
    except (Failure, InvalidInput, OSError) as error:
        return _failed(error, progress, as_json=as_json)
    except KeyboardInterrupt:
        progress.say("interrupted")
        return _STOPPED + signal.SIGINT
    print(report.as_json() if as_json else report.as_text())
    return 0


def _failed(error: Exception, progress: Progress, *, as_json: bool) -> int:
    exit_status = _exit_status(error)
    progress.say(f"failed: {error}")
    if as_json:
        print(failure_as_json(error, exit_status))
    return exit_status


def _exit_status(error: Exception) -> int:
    if isinstance(error, Failure):
        return error.exit_status
    return Refused.exit_status if isinstance(error, InvalidInput) else Failure.exit_status


if __name__ == "__main__":
    sys.exit(main())
