"""Why a repository cannot be set up."""

from __future__ import annotations


class RepositoryError(Exception):
    """Nothing was written; the message says what is in the way and what a person can do."""
