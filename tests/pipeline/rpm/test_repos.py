"""What .repo files tell, and whom it keeps out while dnf asks."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

import pytest

from kmodbot.pipeline.headers.rpm.repos import Repo, asking, read_repositories

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
[main]
keepcache=1
[baseos]
name=CentOS Stream $releasever - BaseOS
metalink=https://mirrors.example.org/metalink?repo=$repo&arch=$basearch
[rt]
enabled=0
baseurl=http://one.example.org/$stream/RT, https://two.example.org:8443/rt/
  file:///srv/rt
[odd]
enabled = False
baseurl=http://[broken/
mirrorlist=https://100%.example.org/
"""
REPOS = [
    Repo("baseos", True, ("https://mirrors.example.org/metalink?repo=$repo&arch=$basearch",)),
    Repo(
        "rt",
        False,
        ("http://one.example.org/$stream/RT", "https://two.example.org:8443/rt/", "file:///srv/rt"),
    ),
    Repo("odd", False, ("https://100%.example.org/",)),
]


def test_repositories_are_read_with_all_their_addresses(tmp_path: Path) -> None:
    (tmp_path / "a.repo").write_text(TEXT)
    (tmp_path / "b.repo").write_text("no repository\n")
    (tmp_path / "c.repo.rpmsave").write_text(TEXT)
    assert read_repositories([tmp_path / "absent", tmp_path]) == REPOS


@pytest.mark.parametrize(
    "name",
    ["dnf", "host-mirrors.example.org", "host-one.example.org", "host-two.example.org"],
)
def test_hosts_of_the_repositories_are_locked_while_dnf_asks(tmp_path: Path, name: str) -> None:
    with asking(REPOS, tmp_path):
        assert not free(tmp_path / "locks" / name)
    assert free(tmp_path / "locks" / name)


def free(path: Path) -> bool:
    """Whether nobody holds the lock file at `path`."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
