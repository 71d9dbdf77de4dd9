"""What the driver's repository holds: its releases' packages, and its newest version.

What cannot be read is an error, never "nothing": a matrix made from half the truth would build what
is there already.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kmodbot.kernels import InvalidInput, parse_driver_version, version_key

from .errors import MatrixError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT_SECONDS = 60
_NOT_FOUND = 404
_PAGE = 100
# A list of this length or longer may be cut off; GitHub's own page is this long.
_WHOLE = 30
# https://docs.github.com/en/repositories/releasing-projects-on-github/about-releases
_MOST_ASSETS = 1000


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are refused, so that the token never travels to another host."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


@dataclass(frozen=True)
class Repository:
    """The driver's repository at one API address; the token is needed when it is private."""

    api_url: str
    name: str
    token: str = field(default="", repr=False)

    def packages(self, tag: str) -> frozenset[str]:
        """Return the names of the whole assets that the release of a tag holds.

        https://docs.github.com/en/rest/releases/releases#get-a-release-by-tag-name
        """
        release = self._get(f"/releases/tags/{quote(tag, safe='')}", default={"assets": []})
        assets = release["assets"]
        if len(assets) >= _WHOLE:
            assets = self._assets(release["id"])
        # A failed upload leaves an asset without content behind.
        whole = (asset for asset in assets if asset["state"] == "uploaded" and asset["size"])
        return frozenset(asset["name"] for asset in whole)

    def newest_version(self) -> str:
        """Return the newest driver version among the tags, those of pre-releases left out.

        https://docs.github.com/en/rest/git/refs#list-matching-references
        """
        refs = self._get("/git/matching-refs/tags/", default=[])
        versions = list(_driver_versions(ref["ref"].removeprefix("refs/tags/") for ref in refs))
        if not versions:
            message = f"{self.name} has no tag that is a driver version, such as v0.1.0"
            raise MatrixError(f"{message}; say the version with --driver-version")
        return max(versions, key=lambda version: version_key(version.removeprefix("v")))

    def _assets(self, release_id: int) -> list[dict[str, Any]]:
        assets: list[dict[str, Any]] = []
        for page in range(1, _MOST_ASSETS // _PAGE + 1):
            found = self._get(f"/releases/{release_id}/assets?per_page={_PAGE}&page={page}")
            assets += found
            if len(found) < _PAGE:
                break
        return assets

    def _get(self, path: str, default: Any = None) -> Any:
        address = f"{self.api_url.rstrip('/')}/repos/{self.name}{path}"
        # S310: the address comes from GITHUB_API_URL, whose scheme is checked.
        request = urllib.request.Request(address)  # noqa: S310
        request.add_header("Accept", "application/vnd.github+json")
        request.add_header("User-Agent", "kmodbot-matrix")
        request.add_header("X-GitHub-Api-Version", "2022-11-28")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code == _NOT_FOUND and default is not None:
                    # The answer is the same for what a token may not see, so first make sure that
                    # the repository itself is there.
                    self._get("")
                    return default
                raise MatrixError(_explained(address, error.code)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            remedy = "what the releases hold is unknown; run it again"
            raise MatrixError(f"{address}: {error}; {remedy}") from None


def _driver_versions(names: Iterator[str]) -> Iterator[str]:
    for name in names:
        try:
            version = parse_driver_version(name)
        except InvalidInput:
            continue
        if "-" not in version:
            yield version


def _explained(address: str, status: int) -> str:
    message = f"{address}: GitHub answered {status}, so what the releases hold is unknown"
    if status == _NOT_FOUND:
        return f"{message}; check GITHUB_REPOSITORY and that GITHUB_TOKEN may read it"
    return f"{message}; check GITHUB_TOKEN or run it again later"
