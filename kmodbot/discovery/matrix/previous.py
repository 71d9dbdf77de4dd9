"""An earlier matrix, or GitHub's list of releases, kept in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Previous:
    """What the releases held, by tag, and how many kernels were wanted of each group.

    ``wanted`` is empty and ``sources`` None when the file is a list of releases.
    """

    held: Mapping[str, frozenset[str]] = field(default_factory=dict)
    wanted: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[str, ...] | None = None


def read_previous(path: Path) -> Previous:
    """Return what a file of ``kmodbot matrix -o`` or of GitHub's list of releases says.

    The list: https://docs.github.com/en/rest/releases/releases#list-releases

    Raises BadInputError when it is neither.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}; correct --previous") from None
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path}: not JSON ({error}); make it anew") from None
    try:
        return _of_releases(content) if isinstance(content, list) else _of_matrix(content)
    except (KeyError, TypeError, AttributeError, ValueError):
        expected = "neither what kmodbot matrix -o writes nor GitHub's list of releases"
        raise BadInputError(f"{path}: {expected}; make it anew") from None


def _of_releases(content: list[Any]) -> Previous:
    return Previous({release["tag_name"]: _names(release["assets"]) for release in content})


def _names(assets: list[Any]) -> frozenset[str]:
    whole = (asset for asset in assets if asset["state"] == "uploaded" and asset["size"])
    return frozenset(str(asset["name"]) for asset in whole)


def _of_matrix(content: dict[str, Any]) -> Previous:
    held = {tag: frozenset(map(str, names)) for tag, names in content["held"].items()}
    wanted = {group: int(count) for group, count in content["wanted"].items()}
    return Previous(held, wanted, tuple(map(str, content["sources"])))
