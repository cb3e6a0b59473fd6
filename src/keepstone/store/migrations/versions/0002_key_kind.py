"""Keys that sign, beside keys that are shown."""

import sqlalchemy as sa
from alembic import op

revision = "0002_key_kind"
down_revision = "0001"


def upgrade() -> None:
    """Mark each key as `bearer` or `sigv4`."""
    op.add_column(
        "api_keys", sa.Column("kind", sa.String(16), nullable=False, server_default=sa.text("'bearer'"))
    )


def downgrade() -> None:
    """Forget the kinds; keys that sign go with them, for as bearer keys they were never meant."""
    op.execute("DELETE FROM api_keys WHERE kind <> 'bearer'")
    op.drop_column("api_keys", "kind")
