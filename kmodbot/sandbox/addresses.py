"""Where things are: the layout of a GitHub Enterprise Server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Addresses:
    """The URLs of one server and its one repository."""

    server: str
    owner: str
    name: str

    @property
    def full_name(self) -> str:
        """The repository as `owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def api(self) -> str:
        """The root of the REST API."""
        return f"{self.server}/api/v3"

    @property
    def html(self) -> str:
        """The repository's page."""
        return f"{self.server}/{self.full_name}"

    @property
    def repository(self) -> str:
        """The repository in the REST API."""
        return f"{self.api}/repos/{self.full_name}"

    @property
    def clone(self) -> str:
        """What `git clone` takes."""
        return f"{self.html}.git"

    def upload(self, release_id: int) -> str:
        """Return where the assets of a release are uploaded to."""
        return f"{self.server}/api/uploads/repos/{self.full_name}/releases/{release_id}/assets"

    def download(self, tag: str, asset: str) -> str:
        """Return the public address of an asset."""
        return f"{self.html}/releases/download/{quote(tag, safe='')}/{quote(asset, safe='')}"
