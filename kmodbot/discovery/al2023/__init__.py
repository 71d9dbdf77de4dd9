"""Finds the kernels of Amazon Linux 2023 that its own repositories name."""

from __future__ import annotations

from .discovery import Discovery, Outcome, discover
from .errors import Unfit
from .kernels import DiscoveredKernel, Sighting
from .merge import check_list, listed_architectures, listing, merge
from .repository import Unsupported
from .sources import DEFAULT_REPOSITORIES, RepositorySpec

__all__ = [
    "DEFAULT_REPOSITORIES",
    "DiscoveredKernel",
    "Discovery",
    "Outcome",
    "RepositorySpec",
    "Sighting",
    "Unfit",
    "Unsupported",
    "check_list",
    "discover",
    "listed_architectures",
    "listing",
    "merge",
]
