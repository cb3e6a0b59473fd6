"""Versions that every change counts up, for processes that watch from afar."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002_key_kind"


def upgrade() -> None:
    """Create the table of versions, with one for the keys."""
    versions = op.create_table(
        "store_versions",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(versions, [{"name": "api_keys", "version": 0}])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("store_versions")
