"""Everything one sandbox knows, in one place for the routes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web

from kmodbot.sandbox.accounts import OWNER_ID, REPOSITORY_ID, Account
from kmodbot.sandbox.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kmodbot.sandbox.addresses import Addresses
    from kmodbot.sandbox.auth import Keyring
    from kmodbot.sandbox.git import GitRepository
    from kmodbot.sandbox.limits import Limits
    from kmodbot.sandbox.records import Asset, Call, Pull, Release, Run
    from kmodbot.sandbox.runs import RunQueue
    from kmodbot.sandbox.webhooks import Hooks


# Ids count the milliseconds since, so that no later sandbox repeats one, as GitHub repeats none.
FIRST_ID_AT: Final = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """The state of a GitHub with one App, one installation and one repository."""

    directory: Path
    addresses: Addresses
    clock: Callable[[], datetime]
    git: GitRepository
    created_at: datetime
    keyring: Keyring
    limits: Limits
    # Whether only those with a token may see the repository. git clone is served all the same.
    private: bool = False
    repository_id: int = REPOSITORY_ID
    # What the repository was called before, in lower case.
    former_names: set[str] = field(default_factory=set)
    # What the answer to a dispatch is: the run is told, the wish for it is ignored, or refused.
    run_details: Literal["told", "ignored", "refused"] = "told"
    faults: Faults = field(default_factory=Faults)
    runs: list[Run] = field(default_factory=list)
    pulls: list[Pull] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    ids: Iterator[int] = field(init=False)
    hooks: Hooks = field(init=False)
    queue: RunQueue = field(init=False)

    def __post_init__(self) -> None:
        age = self.created_at - FIRST_ID_AT
        self.ids = itertools.count(round(age.total_seconds() * 1000))

    @property
    def owner(self) -> Account:
        """The organization that owns the repository."""
        return Account(self.addresses.owner, OWNER_ID, "Organization")

    def branch(self, name: str) -> str | None:
        """Return the commit a branch points to."""
        return self.git.ref(f"refs/heads/{name}")

    def folder(self, run: Run) -> Path:
        """Return where the latest attempt of a run works and writes its log."""
        return self.directory / "runs" / f"{run.id}-{run.attempt}"

    def log_file(self, run: Run) -> Path:
        """Return the log of the latest attempt of a run, which exists once it has begun."""
        return self.folder(run) / "log.txt"

    def assets(self) -> Iterator[tuple[Release, Asset]]:
        """Yield every asset with its release."""
        for release in self.releases:
            for asset in release.assets:
                yield release, asset


WORLD = web.AppKey("WORLD", World)


def world_of(request: web.Request) -> World:
    """Return the world a request is about."""
    return request.config_dict[WORLD]
