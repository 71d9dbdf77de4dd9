"""The tables of the store. A change here needs a migration in ``migrations/versions``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    func,
    text,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets the zone, which PostgreSQL tells: it is UTC as well."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a moment without a zone and store the others in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment with its zone."""
        return None if value is None else value.replace(tzinfo=UTC)


class DeliveryWord(TypeDecorator[str]):
    """Where a delivery stands. ``dead`` is stored as ``failed``, as it has been from the first.

    So processes of the version before, which may go on during an update, find what they know and
    write what is understood.
    """

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the stored word."""
        return "failed" if value == "dead" else value

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the word that is used everywhere else."""
        return "dead" if value == "failed" else value


# SQLite numbers rows by itself only where the key is called INTEGER.
_ID = BigInteger().with_variant(Integer, "sqlite")

# Which deliveries still have work, and which went wrong too often: few among many, so each has an
# index of its own. It is used by queries that say it in these words.
WAITING = "state IN ('received', 'processing')"
DEAD = "state = 'failed'"


def _index_where(name: str, column: str, condition: str) -> Index:
    where = text(condition)
    return Index(name, column, sqlite_where=where, postgresql_where=where)


metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s"}
)

builds = Table(
    "builds",
    metadata,
    Column("id", String(64), primary_key=True),
    # The reservation: the target's key while this build is wanted, null once it failed or its
    # package vanished. Being unique, it lets one build of a target exist at a time.
    Column("reservation", String(64), unique=True),
    Column("driver", String(64), nullable=False),
    Column("driver_version", String(64), nullable=False),
    Column("distribution", String(32), nullable=False),
    Column("distro_version", String(32), nullable=False),
    Column("architecture", String(16), nullable=False),
    Column("kernel_release", String(128), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # When a process last took the dispatch upon itself.
    Column("claimed_at", UtcDateTime),
    # How often a dispatch that may have arrived came of it.
    Column("claims", Integer, nullable=False, server_default="0"),
    Column("run_id", BigInteger, unique=True),
    Column("run_url", Text),
    Column("package", String(255)),
    Column("url", Text),
    Column("sha256", String(64)),
    Column("error", Text),
    # Whether the kernel is in kernels.json or in a pull request that adds it.
    Column("proposed", Boolean, nullable=False, server_default=false()),
    # How often proposing it was tried in vain, and when that is due again; null is at once.
    Column("proposal_attempts", Integer, nullable=False, server_default="0"),
    Column("next_proposal_at", UtcDateTime),
    # Who asked first; empty when that is not known.
    Column("requested_by", String(255), nullable=False, server_default=""),
    # GitHub counts the attempts of a run: a re-run keeps the id and has the next number.
    Column("run_attempt", Integer, nullable=False, server_default="1"),
    # When the build ended, well or not; and when it failed, unless it was brought back to life.
    Column("finished_at", UtcDateTime),
    Column("failed_at", UtcDateTime),
    Index("ix_builds_phase", "phase", "proposed"),
    Index("ix_builds_kernel_release", "kernel_release", "phase"),
)

deliveries = Table(
    "deliveries",
    metadata,
    # GitHub's id of the event; a redelivery has the same one.
    Column("guid", String(64), primary_key=True),
    Column("event", String(64), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("state", DeliveryWord, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    # When it may be taken up; while a process works on it, when that process loses it.
    # The version before does not name it.
    Column("next_try_at", UtcDateTime, nullable=False, server_default=func.now()),
    # The process that works on it.
    Column("leased_by", String(64)),
    # How often the work on it went wrong, and how the last time.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    Index("ix_deliveries_received_at", "received_at"),
    _index_where("ix_deliveries_waiting", "next_try_at", WAITING),
    _index_where("ix_deliveries_dead", "received_at", DEAD),
)

# Append-only: who changed what, when, and what came of it.
audit = Table(
    "audit",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("caller", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(512), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Index("ix_audit_at", "at"),
)

# The repository whose builds these are: one row, once GitHub was asked for the first time.
repository = Table(
    "repository",
    metadata,
    # Always 1, so that there cannot be two.
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("api_url", Text, nullable=False),
    # GitHub's number, which a repository keeps when it is renamed or transferred.
    Column("id", BigInteger, nullable=False),
    # What it was called when it was last seen.
    Column("full_name", String(255), nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    # What the work brought when it was last done, as JSON.
    Column("result", Text),
)

discoveries = Table(
    "discoveries",
    metadata,
    Column("distribution", String(32), primary_key=True),
    Column("distro_version", String(32), primary_key=True),
    Column("architecture", String(16), primary_key=True),
    Column("kernel_release", String(128), primary_key=True),
    # A JSON list of the repositories that named the kernel when it was last seen.
    Column("sources", Text, nullable=False),
    Column("buildable", Boolean, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("handled", Boolean, nullable=False, server_default=false()),
)
