"""What a build is asked for, read from the environment and validated once more.

Inputs of a workflow can be typed by anybody who may start it, so nothing is trusted
because it came from the bot.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kmodbot.kernels import (
    Driver,
    InvalidInput,
    Kernel,
    parse_build_id,
    parse_driver_version,
    parse_repository,
)
from kmodbot.pipeline.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES = {
    "kernel_version": "KERNEL_VERSION",
    "architecture": "ARCHITECTURE",
    "distribution": "DISTRIBUTION",
    "distro_version": "DISTRO_VERSION",
    "driver_version": "DRIVER_VERSION",
    "build_id": "BUILD_ID",
    "repository": "GITHUB_REPOSITORY",
}
_REQUIRED = ("architecture", "distribution", "distro_version", "driver_version")
BUILD_ID_BY_HAND = "manual"
_SEVERAL = "KERNEL_VERSIONS"
_API_URL = re.compile(r"https?://[!-?A-~]+")


@dataclass(frozen=True)
class Request:
    """One build: a kernel, a driver version and the id the bot knows the build by."""

    kernel: Kernel
    driver_version: str
    build_id: str

    def driver(self, name: str) -> Driver:
        """Return the driver called `name` in the version asked for; raises BadInput."""
        try:
            return Driver.parse(name, self.driver_version)
        except InvalidInput as error:
            raise _named(error) from None


def read_request(environment: Mapping[str, str] = os.environ) -> Request:
    """Read the request from `environment`; raises BadInput naming the variable."""
    return _read(environment, _required(environment, _VARIABLES["kernel_version"]), _VARIABLES)


def _read(environment: Mapping[str, str], release: str, variables: Mapping[str, str]) -> Request:
    values = {field: _required(environment, variables[field]) for field in _REQUIRED}
    try:
        kernel = Kernel.parse(
            distribution=values["distribution"],
            distro_version=values["distro_version"],
            architecture=values["architecture"],
            release=release,
        )
        driver_version = parse_driver_version(values["driver_version"])
        build_id = parse_build_id(environment.get("BUILD_ID") or BUILD_ID_BY_HAND)
    except InvalidInput as error:
        raise _named(error, variables) from None
    return Request(kernel, driver_version, build_id)


def read_requests(environment: Mapping[str, str] = os.environ) -> list[Request]:
    """Read the requests of a job that builds several kernels; raises BadInput naming the variable.

    ``KERNEL_VERSIONS`` is a JSON list of kernel releases; the rest is the same for all of them.
    """
    try:
        releases = json.loads(_required(environment, _SEVERAL))
    except ValueError:
        releases = None
    if not isinstance(releases, list) or not releases:
        raise BadInput(f'{_SEVERAL}: expected a JSON list such as ["6.1.0-38-amd64"]')
    if not all(isinstance(release, str) for release in releases):
        raise BadInput(f"{_SEVERAL}: every kernel release must be a string")
    if len(set(releases)) < len(releases):
        raise BadInput(f"{_SEVERAL}: the same kernel release stands there twice")
    variables = {**_VARIABLES, "kernel_version": _SEVERAL}
    return [_read(environment, release, variables) for release in releases]


def asks_for_several(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the job is to build several kernels; raises BadInput when it is to build one too."""
    if environment.get(_SEVERAL) and environment.get("KERNEL_VERSION"):
        raise BadInput(f"{_SEVERAL}: set either this or KERNEL_VERSION, not both")
    return bool(environment.get(_SEVERAL))


@dataclass(frozen=True)
class Target:
    """The repository a package is published to."""

    api_url: str
    repository: str
    token: str = field(repr=False)


def read_target(environment: Mapping[str, str] = os.environ) -> Target:
    """Read where to publish from `environment`; raises BadInput naming the variable."""
    api_url = environment.get("GITHUB_API_URL") or "https://api.github.com"
    if not _API_URL.fullmatch(api_url):
        raise BadInput("GITHUB_API_URL: expected an address such as https://api.github.com")
    token = _required(environment, "GITHUB_TOKEN")
    if not (token.isascii() and token.isprintable()):
        raise BadInput("GITHUB_TOKEN: holds characters that no token has")
    try:
        repository = parse_repository(_required(environment, "GITHUB_REPOSITORY"))
    except InvalidInput as error:
        raise _named(error) from None
    return Target(api_url, repository, token)


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise BadInput(f"{name}: is not set; the builder takes its inputs from the environment")
    return value


def _named(error: InvalidInput, variables: Mapping[str, str] = _VARIABLES) -> BadInput:
    # The driver's name is the one value that does not come from the environment.
    name = variables.get(error.field, "driver.yml: name")
    return BadInput(f"{name}: {error.message}")
