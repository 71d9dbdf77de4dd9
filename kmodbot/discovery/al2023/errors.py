"""The error of this folder: something that is there, and is not what discovery reads."""

from __future__ import annotations


class Unfit(Exception):
    """No repository of Amazon Linux kernels; ``str(error)`` is ``"{place}: {reason}"``."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason
