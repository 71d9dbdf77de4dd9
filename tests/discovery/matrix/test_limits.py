"""Whatever its size, a matrix fits GitHub Actions or is refused; nothing gets lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.discovery.matrix import limits
from kmodbot.discovery.matrix.errors import MatrixError
from kmodbot.discovery.matrix.group import Group
from kmodbot.discovery.matrix.known_bad import KnownBad
from kmodbot.discovery.matrix.limits import cut
from kmodbot.discovery.matrix.plan import Options, make_plan

#: What GitHub says, without our margins.
ALLOWED_JOBS, ALLOWED_CHARACTERS, ALLOWED_BYTES = 256, 65_535, 1024 * 1024


def job(number: int, kernels: int, length: int) -> dict[str, Any]:
    return {"name": f"job {number}", "kernels": [f"{'k' * length}{n}" for n in range(kernels)]}


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(1, 64)), max_size=600),
)
def test_every_chunk_fits_and_every_job_is_in_one(shapes: list[tuple[int, int]]) -> None:
    jobs = [job(number, *shape) for number, shape in enumerate(shapes)]
    chunks = cut(jobs)
    assert [one for chunk in chunks for one in chunk] == jobs
    for chunk in chunks:
        # Measured as it is handed over, and more generously than it is.
        text = json.dumps(chunk)
        assert 0 < len(chunk) < ALLOWED_JOBS
        assert len(text) < ALLOWED_CHARACTERS * 1.05
        assert len(json.dumps(chunk, separators=(",", ":"))) < ALLOWED_CHARACTERS
        assert len(text.encode("utf-16")) < ALLOWED_BYTES


def test_a_chunk_may_be_full_but_not_fuller() -> None:
    jobs = [job(number, 1, 1) for number in range(limits.MOST_JOBS * 2 + 1)]
    assert [len(chunk) for chunk in cut(jobs)] == [limits.MOST_JOBS, limits.MOST_JOBS, 1]


def test_more_than_one_run_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_JOBS", 3)
    cut([job(number, 1, 1) for number in range(9)])
    with pytest.raises(MatrixError, match="10 jobs in 4 chunks do not fit one run"):
        cut([job(number, 1, 1) for number in range(10)])


def test_a_job_that_fits_no_chunk_is_refused() -> None:
    with pytest.raises(MatrixError, match="change --kernels-per-job"):
        cut([job(1, 2000, 64)])


@given(st.integers(0, 500), st.integers(1, 100), st.integers(1, 3))
def test_a_plan_builds_every_kernel_once_for_each_version(
    count: int, per_job: int, versions: int
) -> None:
    releases = {f"6.1.0-{number}-amd64" for number in range(1, count + 1)}
    wanted = {Group("debian", "12", "x86_64"): releases} if releases else {}
    names = [f"v0.{number}.0" for number in range(versions)]
    options = Options("hello", names, per_job, max_builds=1500)
    plan = make_plan(wanted, lambda _: frozenset(), KnownBad(), options)
    jobs = [one for chunk in plan.chunks for one in chunk]
    built = [(one["driver_version"], release) for one in jobs for release in one["kernels"]]
    assert sorted(built) == sorted((name, release) for name in names for release in releases)
    assert all(1 <= len(one["kernels"]) <= per_job for one in jobs)
    assert len({one["name"] for one in jobs}) == len(jobs) == plan.jobs
    assert plan.builds == len(built)
