"""What GitHub Actions takes in one run, measured in the bytes that are really sent.

https://docs.github.com/en/actions/reference/limits and
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .errors import MatrixError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Jobs of one matrix; 256 are allowed, and one too many silently rejects the whole matrix.
MOST_JOBS = 240
#: Characters of all inputs of a workflow; 65,535 are allowed.
MOST_CHARACTERS = 60_000
#: Bytes of all outputs of a job in UTF-16; 1 MB is allowed.
MOST_OUTPUT_BYTES = 900_000

Job = dict[str, Any]


def as_text(content: object) -> str:
    """Return the JSON that is handed from job to job."""
    return json.dumps(content, separators=(",", ":"))


def cut(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return the jobs in chunks, each of which fits a matrix, an output and an input.

    The jobs keep their order and none gets lost: MatrixError when they do not fit one run.
    """
    chunks = list(_chunks(jobs))
    _require_fit(jobs, chunks)
    return chunks


def _chunks(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    chunk: list[Job] = []
    size = 2
    for job in jobs:
        length = len(as_text(job)) + 1
        if chunk and (len(chunk) == MOST_JOBS or size + length > MOST_CHARACTERS):
            yield chunk
            chunk, size = [], 2
        chunk.append(job)
        size += length
    if chunk:
        yield chunk


def _require_fit(jobs: Sequence[Job], chunks: list[list[Job]]) -> None:
    texts = [as_text(chunk) for chunk in chunks]
    fits = (
        len(chunks) <= MOST_JOBS
        and all(len(chunk) <= MOST_JOBS for chunk in chunks)
        and all(len(text) <= MOST_CHARACTERS for text in texts)
        and all(len(text.encode("utf-16-le")) <= MOST_OUTPUT_BYTES for text in texts)
    )
    if not fits or sum(len(chunk) for chunk in chunks) != len(jobs):
        raise MatrixError(
            f"{len(jobs)} jobs in {len(chunks)} chunks do not fit one run of GitHub Actions; "
            "give fewer driver versions at once, or change --kernels-per-job"
        )
