"""The version before can go on writing deliveries; proposals that are refused wait longer."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and let rows be inserted that do not name the newer ones."""
    op.add_column(
        "builds", sa.Column("proposal_attempts", sa.Integer, nullable=False, server_default="0")
    )
    op.add_column("builds", sa.Column("next_proposal_at", sa.DateTime(timezone=True)))
    _rename_state("dead", "failed", default=sa.func.now())


def downgrade() -> None:
    """Forget what was added."""
    _rename_state("failed", "dead", default=None)
    with op.batch_alter_table("builds") as builds:
        builds.drop_column("next_proposal_at")
        builds.drop_column("proposal_attempts")


def _rename_state(old: str, new: str, default: sa.ColumnElement[Any] | None) -> None:
    op.drop_index("ix_deliveries_dead", "deliveries")
    deliveries = sa.table("deliveries", sa.column("state", sa.String))
    op.execute(sa.update(deliveries).where(deliveries.c.state == old).values(state=new))
    with op.batch_alter_table("deliveries") as batch:
        batch.alter_column("next_try_at", server_default=default)
    where = sa.text(f"state = '{new}'")
    op.create_index(
        "ix_deliveries_dead",
        "deliveries",
        ["received_at"],
        sqlite_where=where,
        postgresql_where=where,
    )
