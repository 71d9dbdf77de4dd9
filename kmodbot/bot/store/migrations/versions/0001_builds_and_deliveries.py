"""Builds and deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "builds",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("reservation", sa.String(64)),
        sa.Column("driver", sa.String(64), nullable=False),
        sa.Column("driver_version", sa.String(64), nullable=False),
        sa.Column("distribution", sa.String(32), nullable=False),
        sa.Column("distro_version", sa.String(32), nullable=False),
        sa.Column("architecture", sa.String(16), nullable=False),
        sa.Column("kernel_release", sa.String(128), nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True)),
        sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
        sa.Column("run_id", sa.BigInteger),
        sa.Column("run_url", sa.Text),
        sa.Column("package", sa.String(255)),
        sa.Column("url", sa.Text),
        sa.Column("sha256", sa.String(64)),
        sa.Column("error", sa.Text),
        sa.Column("proposed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_builds"),
        sa.UniqueConstraint("reservation", name="uq_builds_reservation"),
        sa.UniqueConstraint("run_id", name="uq_builds_run_id"),
    )
    op.create_index("ix_builds_phase", "builds", ["phase", "proposed"])
    op.create_table(
        "deliveries",
        sa.Column("guid", sa.String(64), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("guid", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_state", "deliveries", ["state", "received_at"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("deliveries")
    op.drop_table("builds")
