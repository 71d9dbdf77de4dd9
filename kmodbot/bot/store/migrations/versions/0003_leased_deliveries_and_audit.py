"""Leased deliveries, what is remembered of a build's end, and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table; what is stored goes on."""
    _extend_builds()
    _extend_deliveries()
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(512), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])


def _extend_builds() -> None:
    op.add_column(
        "builds", sa.Column("requested_by", sa.String(255), nullable=False, server_default="")
    )
    op.add_column(
        "builds", sa.Column("run_attempt", sa.Integer, nullable=False, server_default="1")
    )
    op.add_column("builds", sa.Column("finished_at", sa.DateTime(timezone=True)))
    op.add_column("builds", sa.Column("failed_at", sa.DateTime(timezone=True)))
    op.create_index("ix_builds_kernel_release", "builds", ["kernel_release", "phase"])
    # The true moment was not kept. An early one means that the failure is forgotten early.
    op.execute("UPDATE builds SET failed_at = created_at WHERE phase = 'error'")


def _extend_deliveries() -> None:
    op.add_column("deliveries", sa.Column("next_try_at", sa.DateTime(timezone=True)))
    op.add_column("deliveries", sa.Column("leased_by", sa.String(64)))
    op.execute("UPDATE deliveries SET next_try_at = received_at")
    op.execute("UPDATE deliveries SET state = 'dead' WHERE state = 'failed'")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.alter_column("next_try_at", nullable=False)
    op.drop_index("ix_deliveries_state", "deliveries")
    op.create_index("ix_deliveries_received_at", "deliveries", ["received_at"])
    waiting, dead = sa.text("state IN ('received', 'processing')"), sa.text("state = 'dead'")
    for name, column, where in (
        ("ix_deliveries_waiting", "next_try_at", waiting),
        ("ix_deliveries_dead", "received_at", dead),
    ):
        op.create_index(name, "deliveries", [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Forget what was added."""
    op.drop_table("audit")
    for name in ("ix_deliveries_dead", "ix_deliveries_waiting", "ix_deliveries_received_at"):
        op.drop_index(name, "deliveries")
    op.create_index("ix_deliveries_state", "deliveries", ["state", "received_at"])
    op.execute("UPDATE deliveries SET state = 'failed' WHERE state = 'dead'")
    op.execute("UPDATE deliveries SET state = 'received' WHERE state = 'processing'")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("leased_by")
        deliveries.drop_column("next_try_at")
    op.drop_index("ix_builds_kernel_release", "builds")
    with op.batch_alter_table("builds") as builds:
        for column in ("failed_at", "finished_at", "run_attempt", "requested_by"):
            builds.drop_column(column)
