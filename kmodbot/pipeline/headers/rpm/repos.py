"""What a directory of .repo files tells: which repositories there are and whom they ask."""

from __future__ import annotations

import configparser
import os
import re
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kmodbot.pipeline.errors import BadInput
from kmodbot.pipeline.headers.locks import host_lock, locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

VARIABLE = "KMODBOT_DNF_REPOS"
# https://dnf.readthedocs.io/en/latest/conf_ref.html (reposdir)
DIRECTORIES = tuple(map(Path, ("/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d")))
_ADDRESSES = ("baseurl", "metalink", "mirrorlist")
_OFF = frozenset({"0", "no", "false", "off"})


@dataclass(frozen=True)
class Repo:
    """A repository as its file describes it: the addresses may hold dnf's variables."""

    name: str
    enabled: bool
    addresses: tuple[str, ...]


def own_repositories() -> Path | None:
    """Return the directory that KMODBOT_DNF_REPOS names; raises BadInput when it has none."""
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    if not list(Path(value).glob("*.repo")):
        raise BadInput(f"{VARIABLE}: expected a directory with .repo files, got {value[:200]!a}")
    return Path(value).resolve()


def read_repositories(directories: Iterable[Path]) -> list[Repo]:
    """Return the repositories of all .repo files; dnf itself complains of files it cannot read."""
    return [
        repo
        for directory in directories
        for path in sorted(directory.glob("*.repo"))
        for repo in _read(path)
    ]


@contextmanager
def asking(repositories: Sequence[Repo], cache: Path) -> Iterator[None]:
    """Keep other builders from asking the hosts that stand in the repositories' files.

    Which mirrors a list of mirrors leads to is not known before: so never two dnf at a time.
    """
    urls = (url for repo in repositories for url in repo.addresses)
    hosts = {urlsplit(url).hostname or "": url for url in urls}
    with ExitStack() as stack:
        stack.enter_context(locked(cache / "locks" / "dnf"))
        for _, url in sorted(hosts.items()):
            stack.enter_context(host_lock(cache, url))
        yield


def _read(path: Path) -> list[Repo]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, ValueError):
        return []
    sections = [(name, parser[name]) for name in parser.sections() if name != "main"]
    return [
        Repo(
            name,
            section.get("enabled", "1").strip().lower() not in _OFF,
            tuple(url for key in _ADDRESSES for url in _urls(section.get(key) or "")),
        )
        for name, section in sections
    ]


def _urls(text: str) -> list[str]:
    found = []
    for word in re.split(r"[\s,]+", text):
        try:
            urlsplit(word)
        except ValueError:
            continue
        found.append(word)
    return [word for word in found if word]
