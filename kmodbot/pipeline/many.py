"""Several builds in one job, and the packages of many jobs in one go.

One kernel that fails does not take the others with it.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from kmodbot.kernels import release_tag
from kmodbot.pipeline.build import build
from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.publish import publish_package

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from kmodbot.pipeline.github import GitHub
    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.matrix import Matrix
    from kmodbot.pipeline.phases import Log
    from kmodbot.pipeline.signing import SigningKey

# GitHub asks to write one after the other, a second apart:
# https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
_PAUSE_SECONDS = 1.0
# So many in a row are not about the packages any more but about GitHub or the token.
_MOST_FAILURES = 3


def build_all(
    requests: Sequence[Request],
    source: Path,
    output: Path,
    cache: Path,
    log: Log,
    signing: SigningKey | None = None,
) -> None:
    """Build every request into ``output/TAG/``; raises BuildError in the end if any failed."""
    failed = []
    for request in requests:
        tag = release_tag(request.driver_version, request.kernel)
        log.about = request.kernel.release
        try:
            package = build(request, source, output / tag, cache, log, signing)
        except BuildError as error:
            failed.append(request.kernel.release)
            log.failed(f"{request.kernel.release}: {error}")
            log.note("failed")
        else:
            log.line(f"built {package}")
    log.about = ""
    if failed:
        raise BuildError(f"{len(failed)} of {len(requests)} builds failed: {', '.join(failed)}")


def publish_all(
    github: GitHub,
    packages: Path,
    matrix: Matrix,
    log: Log,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Publish the packages below ``packages`` that the matrix asked for.

    Builds without a package have failed in their own job; they are listed. Raises BadInput when
    there is a package nobody asked for, BuildError in the end if any could not be published.
    """
    found = _found(packages, matrix)
    failed: list[str] = []
    in_a_row = 0
    published: Counter[str] = Counter()
    for number, path in enumerate(found):
        if number:
            wait(_PAUSE_SECONDS)
        request = matrix.requests[path]
        try:
            publish_package(github, packages / path, request, log, wait)
        except BuildError as error:
            failed.append(path)
            in_a_row += 1
            log.failed(f"{path}: {error}")
            if in_a_row == _MOST_FAILURES:
                break
        else:
            in_a_row = 0
            published[path.partition("/")[0]] += 1
    _summarize(matrix, found, published, log)
    if failed:
        left = len(found) - sum(published.values())
        raise BuildError(
            f"{left} of {len(found)} packages were not published; run this job again: "
            "what is there already is left as it is"
        )


def _found(packages: Path, matrix: Matrix) -> list[str]:
    paths = {
        path.relative_to(packages).as_posix() for path in packages.rglob("*") if path.is_file()
    }
    strange = sorted(paths - matrix.requests.keys())
    if strange:
        raise BadInput(f"--packages: {strange[0]} is not of this matrix; nothing was published")
    return [path for path in matrix.requests if path in paths]


def _summarize(matrix: Matrix, found: Sequence[str], published: Counter[str], log: Log) -> None:
    asked = Counter(path.partition("/")[0] for path in matrix.requests)
    for tag, count in asked.items():
        log.note(f"{tag}: {published[tag]} of {count} published")
    for path in sorted(matrix.requests.keys() - set(found)):
        log.note(f"not built: {path}")
