"""The matrix of a nightly run: which builds its jobs were asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kmodbot.kernels import (
    Driver,
    InvalidInput,
    Kernel,
    package_name,
    parse_driver_name,
    parse_driver_version,
    release_tag,
)
from kmodbot.pipeline.errors import BadInput
from kmodbot.pipeline.inputs import BUILD_ID_BY_HAND, Request

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Matrix:
    """All builds, by the path a job gave to each package."""

    requests: dict[str, Request]


def package_path(driver: Driver, kernel: Kernel) -> str:
    """Return where a job of several builds puts a package: ``TAG/PACKAGE``.

    One release can be of two distro versions, whose packages have the same name.
    """
    return f"{release_tag(driver.version, kernel)}/{package_name(driver, kernel)}"


def read_matrix(path: Path) -> Matrix:
    """Read a file of ``kmodbot matrix -o``; raises BadInput naming what is wrong in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"--matrix: {path}: {error.strerror}") from None
    except ValueError as error:
        raise BadInput(f"--matrix: {path}: not JSON ({error})") from None
    try:
        driver = parse_driver_name(content["driver"])
        jobs = [job for chunk in content["chunks"] for job in chunk]
        requests = [request for job in jobs for request in _requests(job)]
    except InvalidInput as error:
        raise BadInput(f"--matrix: {path}: {error}") from None
    except (KeyError, TypeError, AttributeError):
        raise BadInput(f"--matrix: {path}: not what kmodbot matrix -o writes") from None
    paths = [package_path(request.driver(driver), request.kernel) for request in requests]
    return Matrix(dict(zip(paths, requests)))


def _requests(job: dict[str, Any]) -> list[Request]:
    version = parse_driver_version(job["driver_version"])
    kernels = (
        Kernel.parse(
            distribution=job["distribution"],
            distro_version=job["distro_version"],
            architecture=job["architecture"],
            release=release,
        )
        for release in job["kernels"]
    )
    return [Request(kernel, version, BUILD_ID_BY_HAND) for kernel in kernels]
