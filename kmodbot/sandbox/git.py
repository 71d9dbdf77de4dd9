"""The repository's git objects: a bare repository on disk, read and written with libgit2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import FileMode, MergeFlag, ObjectType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
LONGEST_REF = 255
KINDS = {
    ObjectType.COMMIT: "commit",
    ObjectType.TREE: "tree",
    ObjectType.BLOB: "blob",
    ObjectType.TAG: "tag",
}


def is_ref_name(name: str) -> bool:
    """Tell whether git allows this full name for a ref, and GitHub its length."""
    return len(name.encode()) <= LONGEST_REF and pygit2.reference_is_valid_name(name)


@dataclass(frozen=True)
class Ident:
    """Who made a commit, and when."""

    name: str
    email: str
    when: datetime

    def signature(self) -> pygit2.Signature:
        """Return git's form, in UTC."""
        return pygit2.Signature(self.name, self.email, int(self.when.timestamp()), 0)


@dataclass(frozen=True)
class File:
    """A file of a tree about to be written."""

    data: bytes
    executable: bool = False


class GitRepository:
    """A bare repository whose default branch is `main`. Commits are named by their full sha."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.objects = pygit2.init_repository(path, bare=True, initial_head="main")

    def commit_files(self, files: Mapping[str, File], message: str, author: Ident) -> str:
        """Write the first commit of `main`, with exactly `files` in it."""
        index = pygit2.Index()
        for path, file in sorted(files.items()):
            mode = FileMode.BLOB_EXECUTABLE if file.executable else FileMode.BLOB
            blob = self.objects.create_blob(file.data)
            index.add(pygit2.IndexEntry(path, blob, mode))
        tree = str(index.write_tree(self.objects))
        sha = self.add_commit(tree, (), message, author, author)
        self.set_ref(BRANCHES + "main", sha)
        return sha

    def find(self, sha: str, kind: ObjectType | None = None) -> pygit2.Object | None:
        """Return the object with this full sha if it exists and is of `kind`."""
        if len(sha) != 40 or not set(sha) <= set("0123456789abcdef"):
            return None
        found = self.objects.get(sha)
        return found if found is None or kind in (None, found.type) else None

    def ref(self, name: str) -> str | None:
        """Return the sha that the full ref `name` points to."""
        if not is_ref_name(name):
            return None
        reference = self.objects.references.get(name)
        return str(reference.target) if reference is not None else None

    def refs(self, prefix: str) -> list[str]:
        """Return the full names of the refs that start with `prefix`, sorted."""
        return sorted(name for name in self.objects.references if name.startswith(prefix))

    def in_the_way(self, name: str) -> str | None:
        """Return a ref that cannot exist beside `name`, as a file cannot beside its directory."""
        for other in self.objects.references:
            if other.startswith(name + "/") or name.startswith(other + "/"):
                return other
        return None

    def set_ref(self, name: str, sha: str) -> None:
        """Create or move a ref."""
        self.objects.references.create(name, sha, force=True)

    def delete_ref(self, name: str) -> None:
        """Delete a ref that exists."""
        self.objects.references.delete(name)

    def resolve(self, name: str) -> str | None:
        """Return the commit that a branch, tag, full ref or sha names."""
        for ref in (BRANCHES + name, TAGS + name, name):
            sha = self.ref(ref)
            if sha is not None:
                return self.commit_of(sha)
        return self.commit_of(name)

    def commit_of(self, sha: str) -> str | None:
        """Return the commit that `sha` is, or that the annotated tag `sha` points to."""
        found = self.find(sha)
        if isinstance(found, pygit2.Tag):
            return str(found.peel(pygit2.Commit).id)
        return sha if isinstance(found, pygit2.Commit) else None

    def commit(self, sha: str) -> pygit2.Commit:
        """Return a commit that exists."""
        return self.objects[sha].peel(pygit2.Commit)

    def add_commit(
        self, tree: str, parents: Sequence[str], message: str, author: Ident, committer: Ident
    ) -> str:
        """Write a commit without moving any ref."""
        names = [pygit2.Oid(hex=parent) for parent in parents]
        return str(
            self.objects.create_commit(
                None,
                author.signature(),
                committer.signature(),
                message,
                pygit2.Oid(hex=tree),
                names,
            )
        )

    def entry(self, commit: str, path: str) -> pygit2.Object | None:
        """Return the blob or tree at `path` in a commit ("" is the root)."""
        tree = self.commit(commit).tree
        if not path:
            return tree
        try:
            return tree[path]
        except (KeyError, ValueError):
            return None

    def names(self, commit: str, path: str) -> list[str]:
        """Return the names in the directory at `path` in a commit, none if there is no such."""
        found = self.entry(commit, path)
        return [str(item.name) for item in found] if isinstance(found, pygit2.Tree) else []

    def read(self, commit: str, path: str) -> bytes | None:
        """Return the bytes of the file at `path` in a commit."""
        found = self.entry(commit, path)
        return found.data if isinstance(found, pygit2.Blob) else None

    def contains(self, descendant: str, ancestor: str) -> bool:
        """Tell whether `ancestor` is `descendant` or in its history."""
        return descendant == ancestor or self.objects.descendant_of(descendant, ancestor)

    def between(self, base: str, head: str) -> list[pygit2.Commit]:
        """Return the commits of `head` that `base` does not have, oldest first."""
        walker = self.objects.walk(
            head, pygit2.enums.SortMode.TOPOLOGICAL | pygit2.enums.SortMode.REVERSE
        )
        walker.hide(pygit2.Oid(hex=base))
        return list(walker)

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor."""
        base = self.objects.merge_base(one, other)
        return str(base) if base is not None else None

    def merged_tree(self, ours: str, theirs: str) -> str | None:
        """Return the tree of a three-way merge of two commits, None when they conflict."""
        index = self.objects.merge_commits(ours, theirs, flags=MergeFlag.FIND_RENAMES)
        if index.conflicts is not None:
            return None
        return str(index.write_tree(self.objects))

    def changes(self, base: str, head: str) -> Iterator[pygit2.Patch]:
        """Yield what `head` changed since it left `base`, file by file."""
        since, new = self.merge_base(base, head), self.commit(head).tree
        if since is None:
            diff = new.diff_to_tree(swap=True)
        else:
            diff = self.commit(since).tree.diff_to_tree(new)
        yield from (patch for patch in diff if patch is not None)
