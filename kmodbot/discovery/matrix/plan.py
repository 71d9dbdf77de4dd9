"""What is to be built: wanted, minus what is held, what is known not to build, and what waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kmodbot.kernels import Driver, package_name, release_tag, version_key

from .group import group_order
from .limits import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .group import Group
    from .known_bad import KnownBad
    from .limits import Job


@dataclass(frozen=True)
class Row:
    """The counts of one driver version on one group."""

    driver_version: str
    group: Group
    wanted: int
    held: int
    known_bad: int
    builds: int
    deferred: int
    jobs: int


@dataclass
class Plan:
    """The matrix: its jobs in chunks, the counts behind it, and what the releases held.

    ``deferred`` holds the kernel releases that wait for another run, by driver version and group.
    """

    rows: list[Row] = field(default_factory=list)
    chunks: list[list[Job]] = field(default_factory=list)
    held: dict[str, list[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    deferred: dict[str, list[str]] = field(default_factory=dict)

    @property
    def builds(self) -> int:
        """How many builds there are to do."""
        return sum(row.builds for row in self.rows)

    @property
    def jobs(self) -> int:
        """How many jobs do them."""
        return sum(row.jobs for row in self.rows)


@dataclass(frozen=True)
class Options:
    """What a matrix is made for."""

    driver: str | None
    driver_versions: Sequence[str]
    kernels_per_job: int
    max_builds: int


def make_plan(
    wanted: Mapping[Group, Collection[str]],
    held: Callable[[str], frozenset[str]],
    known_bad: KnownBad,
    options: Options,
) -> Plan:
    """Return the matrix, the same for the same input.

    ``held`` tells the packages in the release of a tag. The builds are taken in the order of the
    rows, and those past ``max_builds`` are deferred. Raises MatrixError when the result does not
    fit GitHub Actions.
    """
    plan = Plan()
    jobs: list[Job] = []
    for group in sorted(wanted, key=group_order):
        releases = sorted(wanted[group], key=version_key)
        for driver_version in options.driver_versions:
            tag = release_tag(driver_version, group.kernel(releases[0]))
            packages = held(tag)
            if packages:
                plan.held[tag] = sorted(packages)
            left = _without_held(releases, group, packages, options.driver, driver_version)
            bad = _bad(left, group, known_bad, driver_version)
            plan.reasons.update(bad.values())
            todo = [release for release in left if release not in bad]
            now = todo[: options.max_builds - plan.builds]
            if now != todo:
                plan.deferred[f"{driver_version} {group}"] = todo[len(now) :]
            new = _jobs(now, group, driver_version, options.kernels_per_job)
            jobs += new
            plan.rows.append(
                Row(
                    driver_version,
                    group,
                    wanted=len(releases),
                    held=len(releases) - len(left),
                    known_bad=len(bad),
                    builds=len(now),
                    deferred=len(todo) - len(now),
                    jobs=len(new),
                )
            )
    plan.chunks = cut(jobs)
    return plan


def _without_held(
    releases: list[str],
    group: Group,
    packages: frozenset[str],
    driver: str | None,
    driver_version: str,
) -> list[str]:
    if not packages or driver is None:
        return releases
    named = Driver(driver, driver_version)
    return [
        release
        for release in releases
        if package_name(named, group.kernel(release)) not in packages
    ]


def _bad(
    releases: list[str], group: Group, known_bad: KnownBad, driver_version: str
) -> dict[str, str]:
    if not len(known_bad):
        return {}
    reasons = (
        (release, known_bad.reason(group.kernel(release), driver_version)) for release in releases
    )
    return {release: reason for release, reason in reasons if reason}


def _jobs(releases: list[str], group: Group, driver_version: str, most: int) -> list[Job]:
    """Return jobs of nearly the same length, as few as there must be."""
    count = -(-len(releases) // most)
    bounds = [number * len(releases) // count for number in range(count + 1)] if count else [0]
    return [
        {
            "name": f"{driver_version} {group} {number}",
            "driver_version": driver_version,
            "distribution": group.distribution,
            "distro_version": group.distro_version,
            "architecture": group.architecture,
            "kernels": releases[bounds[number - 1] : bounds[number]],
        }
        for number in range(1, count + 1)
    ]
