"""How many entries of a list are what, as a table for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .entry import shown
from .finding import AMBIGUOUS, OK, UNSUPPORTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entry import Entry
    from .finding import Finding

_STATUSES = (OK, AMBIGUOUS, UNSUPPORTED)


class Counts:
    """Counts of findings: by distribution and status, and why those that are not ok are not."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.kernels = 0
        self._rows: Counter[tuple[str, str]] = Counter()
        self._versions: dict[str, Counter[str]] = {}
        self._causes: Counter[tuple[str, str]] = Counter()

    def add(self, entry: Entry, finding: Finding) -> None:
        """Count one entry."""
        name = finding.distribution or shown(entry.target)
        self.statuses[finding.status] += 1
        self._rows[name, finding.status] += 1
        self.kernels += len(finding.releases)
        if finding.distro_version:
            self._versions.setdefault(name, Counter())[finding.distro_version] += 1
        elif finding.distribution and finding.cause:
            self._causes[name, finding.cause] += 1

    def lines(self) -> Iterator[str]:
        """Give the table line by line."""
        yield f"{'distribution':<20}{'ok':>8}{'ambiguous':>11}{'unsupported':>13}  versions"
        for name in sorted({name for name, _ in self._rows}):
            numbers = [self._rows[name, status] for status in _STATUSES]
            versions = sorted(self._versions.get(name, Counter()).items())
            listed = ", ".join(f"{version}: {count}" for version, count in versions)
            yield f"{name:<20}{numbers[0]:>8}{numbers[1]:>11}{numbers[2]:>13}  {listed}".rstrip()
        numbers = [self.statuses[status] for status in _STATUSES]
        yield f"{'all':<20}{numbers[0]:>8}{numbers[1]:>11}{numbers[2]:>13}"
        for (name, cause), count in sorted(self._causes.items()):
            yield f"  {count} of {name}: {cause}"
        yield f"{sum(numbers)} entries name {self.kernels} kernels"
