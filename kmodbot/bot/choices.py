"""What the operator chooses among, by one word each."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class _Choice(StrEnum):
    @classmethod
    def parse(cls, value: str) -> Self:
        """Return the choice of this name.

        Raises:
            ValueError: there is no such choice.

        """
        if value not in set(cls):
            raise ValueError(f"expected one of {', '.join(cls)}")
        return cls(value)


class Downloads(_Choice):
    """Whether packages are fetched through the bot: AUTO when the repository is private."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


class LogFormat(_Choice):
    """How a line of the log looks: AUTO is CONSOLE on a terminal, else JSON."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(_Choice):
    """From which severity on something is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
