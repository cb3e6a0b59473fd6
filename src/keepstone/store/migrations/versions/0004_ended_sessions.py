"""Sessions that were ended before their time."""

import sqlalchemy as sa
from alembic import op

revision = "0004_ended_sessions"
down_revision = "0003"


def upgrade() -> None:
    """Create the table; a row is needed only until the session would have ended by itself."""
    op.create_table(
        "ended_sessions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("until_ns", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the table: sessions that were ended come back until their time is over."""
    op.drop_table("ended_sessions")
