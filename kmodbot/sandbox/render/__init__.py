"""The JSON that GitHub shows for each thing.

Schemas: https://github.com/github/rest-api-description and https://github.com/octokit/webhooks
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def node_id(kind: str, number: object) -> str:
    """Return an opaque GraphQL id."""
    return f"{kind}_{base64.urlsafe_b64encode(str(number).encode()).decode().rstrip('=')}"


def timestamp(moment: datetime | None) -> str | None:
    """Return a moment as GitHub writes it, in UTC with whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None else None
