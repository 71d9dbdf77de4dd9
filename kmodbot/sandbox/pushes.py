"""What follows when a ref moves: the push event, and pull requests that change with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kmodbot.sandbox.git import BRANCHES
from kmodbot.sandbox.render.commits import pushed_commit
from kmodbot.sandbox.render.pulls import pull as render_pull
from kmodbot.sandbox.render.repository import pushed

if TYPE_CHECKING:
    from kmodbot.sandbox.accounts import Account
    from kmodbot.sandbox.records import Pull
    from kmodbot.sandbox.world import World

NONE: Final = "0" * 40


def move_ref(world: World, ref: str, sha: str | None, actor: Account) -> None:
    """Create, move or (without `sha`) delete a ref, with everything GitHub does then."""
    before = world.git.ref(ref)
    if before == sha:
        return
    if sha is None:
        world.git.delete_ref(ref)
    else:
        world.git.set_ref(ref, sha)
    _tell(world, ref, before, sha, actor)
    if ref.startswith(BRANCHES):
        _update_pulls(world, ref.removeprefix(BRANCHES), sha, actor)


def close(world: World, pull: Pull, actor: Account, *, merged_as: str | None = None) -> None:
    """Close a pull request, as merged when a merge commit is given."""
    now = world.clock()
    pull.state, pull.closed_at, pull.updated_at = "closed", now, now
    if merged_as is not None:
        pull.merged_at, pull.merged_by, pull.merge_commit_sha = now, actor, merged_as
    tell_pull(world, pull, "closed", actor)


def tell_pull(world: World, pull: Pull, action: str, actor: Account, **members: str) -> None:
    """Send a `pull_request` event."""
    world.hooks.emit(
        "pull_request",
        action,
        actor,
        number=pull.number,
        pull_request=render_pull(world, pull),
        **members,
    )


def measure(world: World, pull: Pull) -> None:
    """Count the commits and changes of a pull request, and forget its mergeability."""
    commits = world.git.between(pull.base_sha, pull.head_sha)
    stats = [patch.line_stats for patch in world.git.changes(pull.base_sha, pull.head_sha)]
    pull.known_commits = len(commits)
    pull.known_changes = (len(stats), sum(s[1] for s in stats), sum(s[2] for s in stats))
    pull.mergeable = None


def _update_pulls(world: World, branch: str, sha: str | None, actor: Account) -> None:
    for pull in [pull for pull in world.pulls if pull.state == "open"]:
        if pull.head_ref == branch:
            _update_head(world, pull, sha, actor)
        elif pull.base_ref == branch and sha is not None:
            pull.mergeable = None
            if world.git.contains(sha, pull.head_sha):
                close(world, pull, actor, merged_as=sha)


def _update_head(world: World, pull: Pull, sha: str | None, actor: Account) -> None:
    if sha is None:
        close(world, pull, actor)
        return
    before, pull.head_sha = pull.head_sha, sha
    pull.base_sha = world.branch(pull.base_ref) or pull.base_sha
    pull.updated_at = world.clock()
    measure(world, pull)
    tell_pull(world, pull, "synchronize", actor, before=before, after=sha)
    if not pull.known_commits:
        close(world, pull, actor)


def _tell(world: World, ref: str, before: str | None, after: str | None, actor: Account) -> None:
    head = world.git.commit(after) if after else None
    known = before or world.branch("main")
    new = world.git.between(known, after) if known and after else []
    forced = bool(before and after and not world.git.contains(after, before))
    commits = [pushed_commit(world, commit) for commit in new]
    world.hooks.emit(
        "push",
        None,
        actor,
        ref=ref,
        before=before or NONE,
        after=after or NONE,
        created=before is None,
        deleted=after is None,
        forced=forced,
        base_ref=None,
        compare=f"{world.addresses.html}/compare/{(before or NONE)[:12]}...{(after or NONE)[:12]}",
        commits=commits if ref.startswith(BRANCHES) else [],
        head_commit=pushed_commit(world, head) if head else None,
        pusher={"name": actor.login, "email": actor.email},
        repository=pushed(world),
    )
