"""A webhook delivery: what the store keeps of it, from its arrival until its work is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class DeliveryState(StrEnum):
    """Where a delivery stands.

    ``received`` waits for its next try, ``processing`` is leased by a process, and ``dead`` went
    wrong too often: it waits for an operator, or for GitHub to deliver it again.
    """

    RECEIVED = "received"
    PROCESSING = "processing"
    DONE = "done"
    DEAD = "dead"


class NotYet(Exception):
    """What a delivery tells of cannot be seen yet; that is no fault of the delivery."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event that GitHub delivered: its id, its kind, and the JSON that the bot needs of it.

    ``attempts`` counts how often working on it went wrong; ``received_at`` is known of one that was
    stored.
    """

    guid: str
    event: str
    payload: bytes
    attempts: int = 0
    received_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class DeliveryRecord:
    """What the store knows of a delivery, for an operator to look at."""

    guid: str
    event: str
    state: DeliveryState
    received_at: datetime
    next_try_at: datetime
    attempts: int
    error: str | None


@dataclass(frozen=True)
class Backlog:
    """How many deliveries wait, since when the oldest of them does, and how many are dead."""

    waiting: int
    oldest: datetime | None
    dead: int
