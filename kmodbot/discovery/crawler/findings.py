"""A list from its file or address to what its entries are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .derive import derive
from .errors import BadListError
from .reader import read_entries
from .source import architecture_of, open_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entry import Entry
    from .finding import Finding


def read_findings(source: str, architecture: str | None) -> Iterator[tuple[Entry, Finding]]:
    """Give each entry of a list, a file or an address, with what it is.

    ``architecture`` is that of the list as the caller was told; without it a folder of the path
    counts where an entry does not tell its own.

    Raises:
        BadListError: the list is malformed, or of another architecture.
        UnreachableError: it cannot be fetched.

    """
    known = architecture or architecture_of(source)
    with open_list(source) as stream:
        for entry in read_entries(stream, source):
            finding = derive(entry, known)
            # A list that was merged with the AL2023 discovery may hold its kernels of both.
            if architecture and finding.architecture != architecture and entry.devel is None:
                message = f"{entry.place} is of {finding.architecture}, not {architecture}"
                raise BadListError(f"{source}: {message}; correct --arch or leave it out")
            yield entry, finding
