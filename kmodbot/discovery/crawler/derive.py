"""From an entry to its kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .entry import shown
from .finding import AMBIGUOUS, OK, UNSUPPORTED, Finding
from .rules import amazonlinux, centos, debian, fedora, ubuntu
from .rules.answer import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .entry import Entry
    from .rules.answer import Answer

_RULES: dict[str, Callable[[Entry], Answer]] = {
    "centos": centos.read,
    "debian": debian.read,
    "fedora": fedora.read,
    "ubuntu": ubuntu.read,
}


def derive(entry: Entry, architecture: str | None = None) -> Finding:
    """Return what the entry is.

    ``architecture`` is that of the whole list; it counts where the entry does not say its own.
    """
    distribution = _distribution(entry.target)
    if distribution is None:
        reason = f"{shown(entry.target)} is not supported"
        return Finding(UNSUPPORTED, cause=reason, reason=reason, architecture=architecture)
    try:
        answer = _RULES.get(distribution, amazonlinux.read)(entry)
    except UnsupportedError as error:
        return Finding(
            UNSUPPORTED, distribution, None, architecture, (), (), error.cause, str(error)
        )
    found = answer.architecture or architecture
    if len(answer.versions) == 1:
        version = answer.versions[0]
        candidates = answer.alone or answer.versions
        return Finding(OK, distribution, version, found, answer.releases, candidates)
    cause = f"may be {distribution} {' or '.join(answer.versions)}"
    return Finding(
        AMBIGUOUS, distribution, None, found, answer.releases, answer.versions, cause, cause
    )


def _distribution(target: str) -> str | None:
    if target.startswith("ubuntu-"):
        return "ubuntu"
    if target in _RULES:
        return target
    tail = target.removeprefix("amazonlinux")
    return "amazonlinux" if tail != target and (not tail or tail.isdecimal()) else None
