"""Settings that come together in one variable, ``KMODBOT_ENV``, one ``NAME=value`` a line.

A workflow hands over only the variables of its repository that it names; by this one it hands over
any setting. Secrets are none of them.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from kmodbot.pipeline import texts
from kmodbot.pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

VARIABLE = "KMODBOT_ENV"
#: What may be set: the names that the help lists as settings.
NAMES = frozenset(re.findall(r"\bKMODBOT_[A-Z_]+[A-Z]\b", texts.SETTINGS))

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(\S.*)")


def take_settings(environment: MutableMapping[str, str] = os.environ) -> None:
    """Put the settings of ``KMODBOT_ENV`` into `environment`, where none is set by itself.

    Raises BadInput naming the line that is wrong; its value is not repeated.
    """
    settings = _read(environment.get(VARIABLE, ""))
    for name, value in settings.items():
        # An empty variable is one that is not set, as everywhere in the builder.
        environment[name] = environment.get(name) or value


def _read(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for number, name, value in _lines(text):
        if name not in NAMES:
            raise _wrong(
                number,
                f"{name[:40]} cannot be set here; driver-builder build --help lists the mirrors "
                "and downloads that can",
            )
        if name in found:
            raise _wrong(number, f"{name} stands there twice")
        found[name] = value
    return found


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    # Forms of a browser end lines with \r\n.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise _wrong(number, "expected NAME=value")
        yield number, match[1], match[2]


def _wrong(number: int, message: str) -> BadInput:
    return BadInput(f"{VARIABLE}: line {number}: {message}")
