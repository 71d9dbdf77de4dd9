"""A package becomes a release asset, exactly once, however often this runs.

Every try looks first and then does what is still missing, so a try may be repeated after
any failure: a lost answer, a build that ran twice, a half-finished upload. A published
package is never replaced: nodes may have verified and installed it.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kmodbot.kernels import Driver, InvalidInput, asset_name, package_name, release_tag
from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.github import GitHub, Refused, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kmodbot.pipeline.inputs import Request
    from kmodbot.pipeline.phases import Log

_TRIES = 6
_LONGEST_WAIT = 300.0
_FIRST_WAIT = 1.0
_PAGE = 100
_NOT_FOUND = 404
_UNPROCESSABLE = 422
_DENIED = (401, 403)
# https://docs.github.com/en/repositories/releasing-projects-on-github/about-releases
_MOST_ASSETS = 1000


@dataclass(frozen=True)
class Published:
    """Where a package can be downloaded, and the hash of its bytes."""

    name: str
    tag: str
    url: str
    sha256: str


def find_package(directory: Path, request: Request) -> Path:
    """Return the one package of `request` in `directory`; raises BadInput."""
    if not directory.is_dir():
        raise BadInput(f"--packages: {directory} is not a directory; run build first")
    found = sorted(path for path in directory.iterdir() if path.suffix in (".deb", ".rpm"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise BadInput(f"--packages: expected one package in {directory}, found {names}")
    expected = _expected_name(found[0].name, request)
    if found[0].name != expected:
        raise BadInput(f"--packages: {found[0].name} is not of this build, expected {expected}")
    return found[0]


def publish_package(
    github: GitHub,
    path: Path,
    request: Request,
    log: Log,
    wait: Callable[[float], None] = time.sleep,
) -> Published:
    """Upload `path` to the release of its kernel's distribution, creating the release if needed.

    Raises BuildError when GitHub refuses, holds another package under this name, or cannot be
    reached for several tries.
    """
    content = path.read_bytes()
    tag = release_tag(request.driver_version, request.kernel)
    for number in range(1, _TRIES + 1):
        outcome = _try(github, tag, path.name, content, request, log)
        if isinstance(outcome, Published):
            return outcome
        if number < _TRIES:
            delay = _next_wait(outcome, number)
            log.line(f"publish: {outcome}; try {number} of {_TRIES}, next in {delay:.1f} s")
            wait(delay)
    raise BuildError(f"{path.name} was not published in {_TRIES} tries; last: {outcome}")


def _try(
    github: GitHub, tag: str, name: str, content: bytes, request: Request, log: Log
) -> Published | Transient:
    try:
        return _converge(github, tag, name, content, request, log)
    except Transient as error:
        return error
    except Refused as error:
        raise BuildError(_explained(error, github.repository)) from None


def _converge(
    github: GitHub, tag: str, name: str, content: bytes, request: Request, log: Log
) -> Published:
    """Look at what is there and do the rest."""
    release = _release(github, tag, request, log)
    asset = next((item for item in release["assets"] if item["name"] == name), None)
    if asset is not None and not _complete(asset):
        log.line(f"publish: removing a half-finished upload of {name}")
        github.delete(f"/releases/assets/{asset['id']}")
        asset = None
    if asset is not None:
        log.line(f"publish: {name} is there already")
        return _compared(asset, tag, content)
    return _upload(github, release, tag, name, content, log)


def _release(github: GitHub, tag: str, request: Request, log: Log) -> dict[str, Any]:
    try:
        return _object(github.get(f"/releases/tags/{quote(tag, safe='')}"))
    except Refused as error:
        if error.status != _NOT_FOUND:
            raise
    try:
        release = _object(github.post("/releases", _new_release(tag, request)))
    except Refused as error:
        if error.says("tag_name", "already_exists"):
            # Another build of this distribution was quicker; its release is ours too.
            raise Transient(f"release {tag} is being made by another build") from None
        raise
    log.line(f"publish: created release {tag}")
    return release


def _new_release(tag: str, request: Request) -> dict[str, object]:
    kernel = request.kernel
    return {
        "tag_name": tag,
        "name": tag,
        "body": f"Drivers {request.driver_version} for the kernels of {kernel.distribution} "
        f"{kernel.distro_version} on {kernel.architecture}, one package for each kernel.",
        # The release of the driver itself stays the one GitHub shows as the latest.
        "make_latest": "false",
    }


def _upload(
    github: GitHub, release: dict[str, Any], tag: str, name: str, content: bytes, log: Log
) -> Published:
    address = re.sub(r"\{.*\}$", "", release["upload_url"])
    try:
        asset = _object(github.upload(f"{address}?name={quote(name, safe='')}", content))
    except Refused as error:
        if not error.says("name", "already_exists"):
            raise
        return _compared(_find_asset(github, release["id"], name), tag, content)
    if asset["name"] != name:
        github.delete(f"/releases/assets/{asset['id']}")
        raise BuildError(f"GitHub renamed {name} to {asset['name']}; nobody would find it there")
    log.line(f"publish: uploaded {name} ({len(content) / 1e3:.1f} kB)")
    # GitHub Enterprise Server gives digests only in newer versions; these bytes are ours.
    return (
        _compared(asset, tag, content) if asset.get("digest") else _described(asset, tag, content)
    )


def _find_asset(github: GitHub, release_id: int, name: str) -> dict[str, Any]:
    for page in range(1, _MOST_ASSETS // _PAGE + 1):
        assets = github.get(f"/releases/{release_id}/assets?per_page={_PAGE}&page={page}")
        for asset in assets or ():
            if asset["name"] == name and _complete(asset):
                return _object(asset)
    # Either it is being uploaded this moment or the upload broke off: the next try tells.
    raise Transient(f"{name} exists but is not complete")


def _complete(asset: Mapping[str, Any]) -> bool:
    return bool(asset["state"] == "uploaded" and asset["size"] > 0)


def _compared(asset: Mapping[str, Any], tag: str, content: bytes) -> Published:
    """Return the asset as ours when its bytes are; raises BuildError when they are not."""
    ours = _described(asset, tag, content)
    if asset.get("digest") is None:
        raise BuildError(
            f"GitHub gives no digest for {ours.name} in {tag}, so it cannot be compared; "
            "delete the asset by hand if no node uses it, and run the job again"
        )
    if asset["digest"] != f"sha256:{ours.sha256}":
        raise BuildError(
            f"{ours.name} in {tag} has other bytes ({asset['digest']}) than this build "
            f"(sha256:{ours.sha256}). A published package is never replaced: publish changed "
            "source under a new driver version"
        )
    return ours


def _described(asset: Mapping[str, Any], tag: str, content: bytes) -> Published:
    sha256 = hashlib.sha256(content).hexdigest()
    return Published(asset["name"], tag, asset["browser_download_url"], sha256)


def _expected_name(name: str, request: Request) -> str:
    """Return the name a package of this build has for the driver that `name` begins with."""
    kernel = request.kernel
    # The second one finds the driver in the name of a package for another kernel.
    for marker in (f"-{kernel.distribution}-{kernel.release}_", f"-{kernel.distribution}-"):
        with suppress(InvalidInput):
            driver = Driver.parse(name.partition(marker)[0], request.driver_version)
            return asset_name(package_name(driver, kernel))
    return asset_name(package_name(Driver("NAME", request.driver_version), kernel))


def _next_wait(error: Transient, number: int) -> float:
    if error.delay is None:
        # S311: spreads retries, guards nothing.
        return _FIRST_WAIT * (1 << (number - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
    if error.delay > _LONGEST_WAIT:
        raise BuildError(f"{error}, longer than a job should; run it again later")
    return error.delay


def _explained(error: Refused, repository: str) -> str:
    if error.status in _DENIED:
        return f"{error}; the token needs the permission contents: write on {repository}"
    if error.status == _NOT_FOUND:
        return f"{error}; GITHUB_REPOSITORY ({repository}) does not exist for this token"
    if error.status == _UNPROCESSABLE and "assets" in str(error).lower():
        return f"{error}; a release holds at most {_MOST_ASSETS} assets"
    return str(error)


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise Transient("GitHub's answer is not what its documentation promises")
    return answer
