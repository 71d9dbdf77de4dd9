"""What has to be done to each file. Nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .content import File
from .errors import RepositoryError
from .manifest import MANIFEST, Manifest, digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .content import Content

#: create: it is not there. update: it is as an earlier kmodbot wrote it. overwrite: it was edited,
#: which was overruled. edited: it is left as it is. same, yours: there is nothing to do.
Action = Literal["create", "update", "overwrite", "edited", "same", "yours"]
WRITES: frozenset[Action] = frozenset({"create", "update", "overwrite"})


@dataclass(frozen=True)
class Step:
    """A file and what is done with it."""

    file: File
    action: Action


@dataclass(frozen=True)
class Plan:
    """All steps, that of the manifest last; what it says; and what driver.yml was guessed from."""

    root: Path
    steps: tuple[Step, ...]
    manifest: Manifest
    guessed: str

    def paths(self, *actions: Action) -> list[str]:
        """Return the paths with one of these actions."""
        return _paths(self.steps, *actions)


def make_plan(root: Path, wanted: Content, recorded: Manifest, *, force: bool) -> Plan:
    """Compare the repository at `root` with what it should hold.

    `recorded` is what kmodbot wrote last; with `force` edited files are replaced, too.

    Raises:
        RepositoryError: something that is no file is where a file has to be.

    """
    last = recorded.digests
    steps = [
        Step(file, _kept(root, file, last.get(file.path), force=force)) for file in wanted.kept
    ]
    steps += [
        Step(file, "yours" if _read(root, file) is not None else "create") for file in wanted.first
    ]
    # The digest of an edited file stays: when the edit is taken back, the file is renewed again.
    digests = {file.path: digest(file.content) for file in wanted.kept} | {
        path: last.get(path, "") for path in _paths(steps, "edited")
    }
    manifest = Manifest(digests, wanted.images)
    return Plan(root, (*steps, _manifest(root, manifest)), manifest, wanted.guessed)


def _manifest(root: Path, manifest: Manifest) -> Step:
    file = File(MANIFEST, manifest.content)
    present = _read(root, file)
    if present is None:
        return Step(file, "create")
    return Step(file, "same" if present == file.content else "update")


def _paths(steps: Iterable[Step], *actions: Action) -> list[str]:
    return [step.file.path for step in steps if step.action in actions]


def _kept(root: Path, file: File, recorded: str | None, *, force: bool) -> Action:
    present = _read(root, file)
    if present is None:
        return "create"
    if present == file.content:
        return "same"
    if digest(present) == recorded:
        return "update"
    return "overwrite" if force else "edited"


def _read(root: Path, file: File) -> bytes | None:
    place = root
    for part in file.path.split("/"):
        # Writing through a link would change something outside of the repository.
        place = place / part
        if place.is_symlink():
            raise RepositoryError(f"{place} is a symbolic link; put a real one in its place")
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RepositoryError(f"{place}: {error.strerror}") from None
