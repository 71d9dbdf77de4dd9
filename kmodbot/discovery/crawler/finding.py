"""What an entry turned out to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .entry import Entry

OK, AMBIGUOUS, UNSUPPORTED = "ok", "ambiguous", "unsupported"


class Finding(NamedTuple):
    """The kernels of one entry, or why it has none.

    ``status`` is ``ok`` when the distro version is known, ``ambiguous`` when it may be any of
    ``candidates``, ``unsupported`` when the kernel is of another system or of no release at all.
    ``releases`` are the kernel releases as ``uname -r`` prints them, the entry's own first; empty
    when neither its headers nor its name tell. ``candidates`` of an ``ok`` entry are the distro
    versions its kernel release alone could be of. ``cause`` is the reason in words that fit many
    entries, for counting.
    """

    status: str
    distribution: str | None = None
    distro_version: str | None = None
    architecture: str | None = None
    releases: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    cause: str | None = None
    reason: str | None = None

    def document(self, entry: Entry) -> dict[str, Any]:
        """Return the finding as ``kmodbot discover crawler --json`` prints it."""
        return {
            "source": {
                "target": entry.target,
                "kernelrelease": entry.kernelrelease,
                "kernelversion": entry.kernelversion,
            },
            "status": self.status,
            "distribution": self.distribution,
            "distroversion": self.distro_version,
            "architecture": self.architecture,
            "kernelrelease": self.releases[0] if self.releases else None,
            "candidates": list(self.candidates),
            "reason": self.reason or self._notes(),
        }

    def _notes(self) -> str | None:
        notes = []
        if self.status == OK and not self.releases:
            notes.append("neither headers nor name tell the kernel release")
        if self.releases[1:]:
            notes.append(f"its headers are also of {', '.join(self.releases[1:])}")
        if self.status != UNSUPPORTED and self.architecture is None:
            notes.append("the architecture is not known; say it with --arch")
        return "; ".join(notes) or None
