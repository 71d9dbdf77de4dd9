"""Pages for people, as plain text: what GitHub shows at `html_url`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.sandbox.render import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmodbot.sandbox.records import Pull, Release, Run
    from kmodbot.sandbox.world import World


def run_page(world: World, run: Run) -> str:
    """Return how far a run is, its inputs and the whole log of its latest attempt."""
    file = world.log_file(run)
    log = file.read_text(errors="replace") if file.exists() else "(no log yet)"
    facts = {
        "status": run.status,
        "conclusion": run.conclusion or "none yet",
        "attempt": str(run.attempt),
        "workflow": f"{run.path} at {run.head_sha}",
        "started": timestamp(run.started_at) or "",
        "updated": timestamp(run.updated_at) or "",
    }
    return _page(f"Run {run.id}: {run.title}", facts, _lines(run.inputs), log)


def pull_page(world: World, pull: Pull) -> str:
    """Return what a pull request says, how it stands and what it changes."""
    facts = {
        "state": "merged" if pull.merged else pull.state,
        "branch": f"{pull.head_ref} into {pull.base_ref}",
        "author": pull.author.login,
    }
    patches = world.git.changes(pull.base_sha, pull.head_sha)
    diff = "".join(patch.data.decode(errors="replace") for patch in patches)
    return _page(f"Pull request {pull.number}: {pull.title}", facts, pull.body or "", diff)


def release_page(world: World, release: Release) -> str:
    """Return what a release says and where its assets are."""
    facts = {
        "tag": release.tag_name,
        "published": timestamp(release.published_at) or "",
        "prerelease": "yes" if release.prerelease else "no",
    }
    assets = [
        f"{world.addresses.download(release.tag_name, asset.name)}\n"
        f"  {asset.size} bytes, {asset.digest}"
        for asset in release.assets
        if asset.state == "uploaded"
    ]
    title = f"Release {release.name or release.tag_name}"
    return _page(title, facts, release.body or "", "\n".join(assets))


def _page(title: str, facts: Mapping[str, str], *parts: str) -> str:
    texts = [title, _lines(facts), *(part.strip("\n") for part in parts)]
    return "\n\n".join(text for text in texts if text) + "\n"


def _lines(values: Mapping[str, str]) -> str:
    width = max(map(len, values), default=0)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in values.items())
