"""Why there is no matrix."""

from __future__ import annotations


class MatrixError(Exception):
    """No matrix can be made; the message says why and what a person can do."""

    exit_status = 1


class BadInputError(MatrixError):
    """Something given is missing or malformed; the message names file, place and remedy."""

    exit_status = 2
