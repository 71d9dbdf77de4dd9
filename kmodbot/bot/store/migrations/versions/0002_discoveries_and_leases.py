"""Discoveries and leases."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", sa.Text),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "discoveries",
        sa.Column("distribution", sa.String(32), nullable=False),
        sa.Column("distro_version", sa.String(32), nullable=False),
        sa.Column("architecture", sa.String(16), nullable=False),
        sa.Column("kernel_release", sa.String(128), nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("buildable", sa.Boolean, nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint(
            "distribution",
            "distro_version",
            "architecture",
            "kernel_release",
            name="pk_discoveries",
        ),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("discoveries")
    op.drop_table("leases")
