"""Whether a pull request can be merged, and merging it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.sandbox.errors import Refusal
from kmodbot.sandbox.git import BRANCHES, Ident
from kmodbot.sandbox.pushes import close, move_ref

if TYPE_CHECKING:
    from kmodbot.sandbox.accounts import Account
    from kmodbot.sandbox.records import Pull
    from kmodbot.sandbox.world import World


def check(world: World, pull: Pull) -> None:
    """Find out by a trial merge whether an open pull request can be merged."""
    if pull.state == "open" and pull.mergeable is None:
        pull.mergeable = _tree(world, pull) is not None


def merge(world: World, pull: Pull, actor: Account, method: str, title: str, message: str) -> str:
    """Merge a pull request and return the new commit of its base.

    https://docs.github.com/rest/pulls/pulls#merge-a-pull-request

    Raises:
        Refusal: 405, it is closed, a draft, or in conflict with its base.

    """
    tree = _tree(world, pull) if pull.state == "open" else None
    if tree is None:
        raise Refusal(405, "Pull Request is not mergeable")
    if pull.draft:
        raise Refusal(405, "Pull Request is still a draft")
    base = world.branch(pull.base_ref) or ""
    author = Ident(actor.login, actor.email, world.clock())
    committer = Ident("GitHub", "noreply@github.com", world.clock())
    parents = (base, pull.head_sha) if method == "merge" else (base,)
    text = f"{title or _title(world, pull, method)}\n\n{message or pull.title}".rstrip()
    sha = world.git.add_commit(tree, parents, text, author, committer)
    close(world, pull, actor, merged_as=sha)
    move_ref(world, BRANCHES + pull.base_ref, sha, actor)
    return sha


def _title(world: World, pull: Pull, method: str) -> str:
    if method == "squash":
        return f"{pull.title} (#{pull.number})"
    return f"Merge pull request #{pull.number} from {world.addresses.owner}/{pull.head_ref}"


def _tree(world: World, pull: Pull) -> str | None:
    base = world.branch(pull.base_ref)
    return world.git.merged_tree(base, pull.head_sha) if base else None
