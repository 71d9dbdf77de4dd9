"""Who is asking, once that is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a caller may do: nodes ask for drivers, operators may do everything."""

    NODE = "node"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Caller:
    """Who sent a request: the name of an API token, or ``issuer#subject`` of an issuer's token."""

    name: str
    role: Role = Role.NODE

    @property
    def is_operator(self) -> bool:
        """Whether the caller may do what concerns more than one node."""
        return self.role is Role.OPERATOR


# Where nothing says who asks, nobody is more than a node.
ANONYMOUS = Caller("anonymous")
