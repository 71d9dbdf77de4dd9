"""Refuses a list that lost suspiciously much: a source that broke looks just like that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import MatrixError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .previous import Previous


def require_no_shrink(
    wanted: Mapping[str, int], sources: tuple[str, ...], previous: Previous, percent: int
) -> bool:
    """Raise MatrixError when a group has lost more than ``percent`` of its kernels.

    Only matrices of the same sources can be compared; False when these are not.
    """
    if previous.sources != sources:
        return False
    losses = [
        f"{group} from {before} to {wanted.get(group, 0)}"
        for group, before in sorted(previous.wanted.items())
        if (before - wanted.get(group, 0)) * 100 > before * percent
    ]
    if losses:
        raise MatrixError(
            f"the list lost more than {percent} % of its kernels: {'; '.join(losses)}. "
            "If they are gone for good, run it once with --force; if not, the source is broken"
        )
    return True
