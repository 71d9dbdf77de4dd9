"""Jobs of a run: which step of which job went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_NAME = 80
# https://docs.github.com/en/rest/checks/runs#create-a-check-run
_BAD = frozenset({"failure", "cancelled", "timed_out", "startup_failure", "action_required"})


@dataclass(frozen=True)
class Job:
    """One job. ``bad_step`` names its first step that did not succeed, if any did not."""

    name: str
    attempt: int
    is_completed: bool
    is_bad: bool
    bad_step: str | None

    @classmethod
    def from_json(cls, job: dict[str, Any]) -> Job:
        """Read GitHub's description of a job."""
        steps = [step for step in job.get("steps") or () if step.get("conclusion") in _BAD]
        return cls(
            name=_shown(job.get("name")),
            attempt=int(job.get("run_attempt") or 1),
            is_completed=job.get("status") == "completed",
            is_bad=job.get("conclusion") in _BAD,
            bad_step=_shown(steps[0].get("name")) if steps else None,
        )


def failed_job(jobs: Iterable[Job], attempt: int) -> Job | None:
    """Return the first job that went wrong in an attempt, None unless all of it has ended."""
    jobs = list(jobs)
    if not all(job.is_completed and job.attempt >= attempt for job in jobs):
        return None
    return next((job for job in jobs if job.is_bad), None)


def _shown(name: object) -> str:
    """Return a name as it may stand in a message: whoever writes a workflow chooses it."""
    text = "".join(letter for letter in str(name or "?") if letter.isprintable())
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
