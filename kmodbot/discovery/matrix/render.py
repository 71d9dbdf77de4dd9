"""The matrix as a JSON document and as a table for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plan import Options, Plan, Row
    from .wanted import Wanted

FORMAT = 1


def document(plan: Plan, wanted: Wanted, options: Options) -> Iterator[str]:
    """Give the JSON document line by line; each job has a line of its own."""
    head = {
        "format": FORMAT,
        "driver": options.driver,
        "driver_versions": list(options.driver_versions),
        "sources": sorted(wanted.sources),
        "counts": {
            "builds": plan.builds,
            "jobs": plan.jobs,
            "chunks": len(plan.chunks),
            "held": sum(row.held for row in plan.rows),
            "known_bad": sum(row.known_bad for row in plan.rows),
            "deferred": sum(row.deferred for row in plan.rows),
        },
        "wanted": wanted_counts(wanted),
        "left_out": dict(sorted(wanted.left_out.items())),
        "known_bad": dict(sorted(plan.reasons.items())),
        "deferred": plan.deferred,
        "held": plan.held,
    }
    yield "{"
    for key, value in head.items():
        yield f" {json.dumps(key)}: {json.dumps(value)},"
    yield ' "chunks": ['
    for number, chunk in enumerate(plan.chunks, 1):
        for index, job in enumerate(chunk):
            before = "  [" if index == 0 else "   "
            after = "," if index < len(chunk) - 1 else "]" + "," * (number < len(plan.chunks))
            yield f"{before}{json.dumps(job)}{after}"
    yield " ]"
    yield "}"


def wanted_counts(wanted: Wanted) -> dict[str, int]:
    """Return how many kernels are wanted of each group, by the group's name."""
    return {str(group): len(wanted.groups[group]) for group in sorted(wanted.groups)}


def table(plan: Plan, wanted: Wanted) -> Iterator[str]:
    """Give the counts, and the reasons for what is left out, line by line."""
    yield _line("driver", "image", "wanted", "held", "bad", "to build", "deferred", "jobs")
    for row in plan.rows:
        yield _line(row.driver_version, str(row.group), *map(str, _numbers(row)))
    for reason, count in sorted(plan.reasons.items()):
        yield f"  {count} known not to build: {reason}"
    for reason, count in sorted(wanted.left_out.items()):
        yield f"  {count} left out: {reason}"
    if plan.builds:
        yield f"{plan.builds} builds in {plan.jobs} jobs and {len(plan.chunks)} chunks"
    else:
        yield "nothing to build"
    deferred = sum(row.deferred for row in plan.rows)
    if deferred:
        yield f"{deferred} builds deferred to the next run: this one is full (--max-builds)"


def _numbers(row: Row) -> tuple[int, ...]:
    return row.wanted, row.held, row.known_bad, row.builds, row.deferred, row.jobs


def _line(driver: str, image: str, *numbers: str) -> str:
    return f"{driver:<12}{image:<28}" + "".join(f"{number:>9}" for number in numbers)
