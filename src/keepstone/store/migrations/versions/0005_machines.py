"""The machines that write ledgers, and what each said of its own last."""

import sqlalchemy as sa
from alembic import op

revision = "0005_machines"
down_revision = "0004_ended_sessions"


def upgrade() -> None:
    """Create the table; a ledger's name stays with the key that reported under it first."""
    op.create_table(
        "machines",
        sa.Column("ledger", sa.String(120), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("verifier", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("copy", sa.Text, nullable=False),
        sa.Column("reported_ns", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the table: a machine that is missing is then not missed."""
    op.drop_table("machines")
