"""How long headers may be looked for: a job that is ended by force could not say what it tried."""

from __future__ import annotations

import math
import os
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import NoAnswer
from kmodbot.pipeline.headers.transfer import positive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "KMODBOT_HEADERS_SECONDS"
# What a package manager that was begun in time gets at least.
SHORTEST_RUN_SECONDS = 60.0
_DEFAULT = 900.0
# Of the build under way in this thread: sources and downloads deep below need not hand it on.
_END: ContextVar[float] = ContextVar("end", default=math.inf)
_GIVEN: ContextVar[float] = ContextVar("given", default=math.inf)


@contextmanager
def deadline(environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Let nothing be begun in the block once KMODBOT_HEADERS_SECONDS are over; raises BadInput."""
    seconds = positive(environment, VARIABLE, _DEFAULT)
    given = _GIVEN.set(seconds)
    end = _END.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _END.reset(end)
        _GIVEN.reset(given)


def seconds_left() -> float:
    """Return the seconds until nothing more is begun, infinite outside of a `deadline`."""
    return _END.get() - time.monotonic()


def require_time() -> None:
    """Raise NoAnswer when nothing more is to be begun."""
    if seconds_left() <= 0:
        raise NoAnswer(
            f"not asked, because the {_GIVEN.get():g} s for headers are over ({VARIABLE})"
        )
