"""What the bot may do about kernels that discovery finds."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What becomes of a kernel that was never seen before."""

    OFF = "off"
    REPORT = "report"
    PROPOSE = "propose"
    BUILD = "build"
