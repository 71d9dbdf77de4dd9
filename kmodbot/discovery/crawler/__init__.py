"""Falco's kernel-crawler data: read it, and tell which kernels its entries really are.

The published lists: https://falcosecurity.github.io/kernel-crawler/
"""

from __future__ import annotations

from .derive import derive
from .entry import Entry
from .errors import BadListError, UnreachableError
from .finding import Finding
from .findings import read_findings
from .reader import read_entries

__all__ = [
    "BadListError",
    "Entry",
    "Finding",
    "UnreachableError",
    "derive",
    "read_entries",
    "read_findings",
]
