"""A database belongs to one repository of one GitHub; it is recorded when GitHub is first asked."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, without a row: GitHub has to be asked."""
    op.create_table(
        "repository",
        sa.Column("slot", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("api_url", sa.Text, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("full_name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("slot", name="pk_repository"),
    )


def downgrade() -> None:
    """Forget whose database it is."""
    op.drop_table("repository")
